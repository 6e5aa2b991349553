"""A rebuild: fetch, check, plan, put everything back, check permissions, go on as that host."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pacha.actions import owed, survey
from pacha.actions.here import Here, check_host, connect
from pacha.actions.staging import Fetched, Staging
from pacha.errors import Concern, PachaError
from pacha.files.exclude import Rules
from pacha.files.metadata import Entry
from pacha.files.names import DATABASE
from pacha.restore import plan as planning
from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.ownership import Identity
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
    on_plan: Callable[[Plan], None] = lambda plan: None
    on_step: Callable[[Step], None] = lambda step: None


@dataclass(slots=True)
class _Task:
    here: Here
    host: str
    target: bytes
    reporter: Reporter
    staging: Staging
    wanted: dict[bytes, Entry] = field(default_factory=dict)  #: by path on disk

    def content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of a wanted entry, whose path is the one on disk."""
        recorded = entry.path[len(self.target) :] if self.target else entry.path
        return self.staging.content(replace(entry, path=recorded))


def rebuild(here: Here, host: str, *, target: bytes = b"", reporter: Reporter | None = None) -> Rebuilt:
    """Put every watched path of ``host`` back, to where it was or below ``target`` (absolute, bytes).

    Raises UsageError, LockedError, UnreachableError, DamagedError (all before anything is touched) and
    PachaError; single paths that could not be restored are in the outcome's concerns.
    """
    check_host(host)
    began = time.monotonic()
    reporter = reporter or Reporter()
    target = os.path.realpath(target) if target else b""
    with here.state.locked():
        master = connect(here, here.master())
        try:
            rebuilt = _rebuild(here, host, target, reporter, master)
        finally:
            master.close()
    return replace(rebuilt, seconds=time.monotonic() - began)


def _rebuild(here: Here, host: str, target: bytes, reporter: Reporter, master: Master) -> Rebuilt:
    staging = Staging.make(here, host, master, reporter.on_file)
    try:
        fetched = _fetch(staging)
        reporter.on_fetched(fetched)
        at = staging.repository(DATABASE).note(fetched.tip).at
        task = _Task(here, host, target, reporter, staging)
        plan = _plan(task, fetched)
        reporter.on_plan(plan)
        _check_target(target)
        outcome = _carry_out(task, plan)
        adopted = not target and _may_adopt(here, host)
        if adopted:
            _adopt(here, host, staging, fetched, master.label)
            _remember_owed(here, fetched, outcome)
        return Rebuilt(host, fetched.tip, at, fetched, plan, outcome, adopted, 0.0)
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


def _check_target(target: bytes) -> None:
    if target:
        try:
            os.makedirs(target, mode=0o755, exist_ok=True)
        except OSError as error:
            raise PachaError(f"{target!r} cannot be made.", error.strerror or "", "Name another --target.") from None


def _plan(task: _Task, fetched: Fetched) -> Plan:
    snapshot, target = fetched.snapshot, task.target
    roots = [replace(one, path=survey.below(target, one.path)) for one in snapshot.live]
    task.wanted = _moved(snapshot.entries, target)
    parents = _moved(snapshot.parents, target)
    restored = {path: task.staging.bytes_of(path) for path in (survey.PASSWD, survey.GROUP) if path in task.staging.places}
    accounts = survey.whose(target, snapshot.entries, restored)
    found = survey.look(roots, task.wanted, survey.above(snapshot, target), accounts)
    keep = Rules.of(task.here.config.rebuild_keep)
    return planning.build(
        list(task.wanted.values()),
        found,
        accounts,
        roots=[root.path for root in roots],
        parents=list(parents.values()),
        keep=lambda path: keep.match(os.path.basename(path), path[1:], path, False),
        me=Identity.of_process(),
    )


def _moved(entries: Mapping[bytes, Entry], target: bytes) -> dict[bytes, Entry]:
    if not target:
        return dict(entries)
    moved = (replace(entry, path=survey.below(target, entry.path)) for entry in entries.values())
    return {entry.path: entry for entry in moved}


def _carry_out(task: _Task, plan: Plan) -> Outcome:
    state = os.fsencode(task.here.state.path)
    journal = Journal.begin(state, task.host)
    try:
        return apply(plan, task, journal, on_step=task.reporter.on_step)
    finally:
        journal.close()
        prune(state)


def _may_adopt(here: Here, host: str) -> bool:
    """Whether this machine has no history of its own, or already is ``host``."""
    memory = here.state.memory()
    own = database.read(here.state.database)
    return not own.watched or own.host == host or (memory.get("hostname") == host and not own.host)


def _adopt(here: Here, host: str, staging: Staging, fetched: Fetched, label: str) -> None:
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
    shutil.copyfile(staging.folder / "pacha.db", here.state.path / "adopted.db")
    os.chmod(here.state.path / "adopted.db", 0o600)
    os.replace(here.state.path / "adopted.db", here.state.database)
    _forget(here.state.cache)
    masters = {label: {"changelog": fetched.changelog, "sent": sent}}
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
    from pacha.files.owners import Accounts

    live = fetched.snapshot.live
    left = survey.look(live, {}, [], Accounts.of_machine())
    owed.remember(here.state, outcome.unrestored, left)

