"""A rebuild: fetch, check, plan, put everything back, check permissions, go on as that host."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pacha.actions import moving, owed, survey
from pacha.actions.here import Here, check_host, connect
from pacha.actions.preview import Choices, Preview, preview
from pacha.actions.staging import Fetched, Staging
from pacha.actions.survey import GROUP, PASSWD
from pacha.errors import Concern, PachaError
from pacha.files.metadata import Entry
from pacha.files.names import DATABASE, shown
from pacha.files.owners import Accounts
from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.plan import Outcome, Plan, Step
from pacha.restore.undo import prune
from pacha.store import database, hg
from pacha.wire.master import Master, NoHost
from pacha.wire.scp import Received


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did. ``adopted``: this machine now goes on as the host."""

    host: str
    tip: str
    at: float  #: when the snapshot was made, seconds since the epoch
    fetched: Fetched
    plan: Plan
    outcome: Outcome
    adopted: bool
    seconds: float

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What a person should look at."""
        return self.outcome.concerns


@dataclass(frozen=True, slots=True)
class Reporter:
    """Whom a rebuild tells what it does: of each file fetched, of the plan before it is carried out."""

    on_file: Callable[[Received], None] = lambda received: None
    on_fetched: Callable[[Fetched], None] = lambda fetched: None
    on_plan: Callable[[Preview], None] = lambda preview: None
    on_step: Callable[[Step], None] = lambda step: None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the content of wanted entries, which have their paths on disk, comes from."""

    staging: Staging
    target: bytes
    overrides: Mapping[bytes, bytes]

    def content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of ``entry``, in chunks."""
        recorded = entry.path[len(self.target.rstrip(b"/")) :]
        if recorded in self.overrides:
            return iter([self.overrides[recorded]])
        return self.staging.content(replace(entry, path=recorded))


def rebuild(
    here: Here,
    host: str,
    choices: Choices = Choices(),  # noqa: B008
    reporter: Reporter = Reporter(),
    wait_seconds: float = 0,
) -> Rebuilt:
    """Put every watched path of ``host`` back, to where it was or below ``choices.target``.

    Raises UsageError, LockedError, UnreachableError, DamagedError (all before anything is touched) and
    PachaError; single paths that could not be restored are in the outcome's concerns.
    """
    check_host(host)
    began = time.monotonic()
    target = os.path.realpath(choices.target) if choices.target else b""
    choices = replace(choices, target=target, keep=here.config.rebuild_keep)
    with here.state.locked(wait_seconds):
        master = connect(here, here.master())
        try:
            rebuilt = _rebuild(here, host, choices, reporter, master)
        finally:
            master.close()
    return replace(rebuilt, seconds=time.monotonic() - began)


def _rebuild(here: Here, host: str, choices: Choices, reporter: Reporter, master: Master) -> Rebuilt:
    staging = Staging.make(here, host, master, reporter.on_file)
    try:
        fetched = _fetch(staging)
        reporter.on_fetched(fetched)
        at = staging.repository(DATABASE).note(fetched.tip).at
        texts = {path: staging.bytes_of(path) for path in (PASSWD, GROUP) if path in staging.places}
        planned = preview(fetched.snapshot, texts, choices, moving.begun(here.state))
        reporter.on_plan(planned)
        _make_target(choices.target)
        if not choices.target:
            moving.remember(here.state, planned.moves)
        outcome = _carry_out(here, host, planned, _Source(staging, choices.target, planned.overrides), reporter)
        adopted = not choices.target and _may_adopt(here, host)
        if adopted:
            _adopt(here, host, staging, fetched, here.master())
            _remember_owed(here, fetched, outcome)
        return Rebuilt(host, fetched.tip, at, fetched, planned.plan, outcome, adopted, 0.0)
    finally:
        staging.remove()


def _fetch(staging: Staging) -> Fetched:
    try:
        return staging.fetch()
    except NoHost as error:
        raise PachaError(
            f"There is no host '{staging.host}' on {staging.master.label}.",
            f"{error.message} {error.why}".strip(),
            "Look at its name with 'ls' in pacha.hosts.path on the master.",
        ) from None


def _make_target(target: bytes) -> None:
    if target:
        try:
            os.makedirs(target, mode=0o755, exist_ok=True)
        except OSError as error:
            raise PachaError(
                f"{shown(target)} cannot be made.", error.strerror or "", "Name another --target."
            ) from None


def _carry_out(here: Here, host: str, planned: Preview, source: _Source, reporter: Reporter) -> Outcome:
    state = os.fsencode(here.state.path)
    journal = Journal.begin(state, host)
    try:
        return apply(planned.plan, source, journal, on_step=reporter.on_step)
    finally:
        journal.close()
        prune(state)


def _may_adopt(here: Here, host: str) -> bool:
    """Whether this machine has no history of its own, or already is ``host``."""
    memory = here.state.memory()
    own = database.read(here.state.database)
    return not own.watched or own.host == host or (memory.get("hostname") == host and not own.host)


def _adopt(here: Here, host: str, staging: Staging, fetched: Fetched, name: str) -> None:
    """Make the fetched history this machine's own, so that the next push goes on as ``host``.

    The nodes are pulled into repositories of our own making; nothing is taken over as files.
    """
    sent = {DATABASE: fetched.tip}
    for watched in fetched.snapshot.watched:
        if watched.node is not None and not watched.retired:
            sent[watched.repository] = watched.node
    for name, node in sent.items():
        own = hg.Repository.open(here.state.repository(name), create=True)
        with hg.peer(str(staging.folder / name), name) as peer:
            peer.pull(own, [node])
    shutil.copyfile(staging.database, here.state.path / "adopted.db")
    os.chmod(here.state.path / "adopted.db", 0o600)
    os.replace(here.state.path / "adopted.db", here.state.database)
    _forget(here.state.cache)
    masters = {name: {"changelog": fetched.changelog, "sent": sent}}
    here.state.remember(tip=fetched.tip, pending=None, hostname=host, masters=masters)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _remember_owed(here: Here, fetched: Fetched, outcome: Outcome) -> None:
    """Remember what could not be restored, as it is now."""
    if not outcome.unrestored:
        owed.remember(here.state, [], {})
        return
    live = fetched.snapshot.live
    left = survey.look(live, {}, [], Accounts.of_machine())
    owed.remember(here.state, outcome.unrestored, left)
