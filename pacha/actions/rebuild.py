"""A rebuild: fetch, check, plan, put everything back, check permissions, go on as that host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from pacha.actions import adoption, moving, owed, own, parting, survey
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


def rebuild(here: Here, host: str, choices: Choices = Choices(), reporter: Reporter = Reporter()) -> Rebuilt:  # noqa: B008
    """Put every watched path of ``host`` back, to where it was or below ``choices.target``.

    Raises UsageError, LockedError, UnreachableError, DamagedError (all before anything is touched) and
    PachaError; single paths that could not be restored are in the outcome's concerns.
    """
    check_host(host)
    began = time.monotonic()
    target = os.path.realpath(choices.target) if choices.target else b""
    choices = replace(choices, target=target, keep=here.config.rebuild_keep)
    with here.state.locked():
        master = own.master(here, host, choices) or connect(here, here.master())
        try:
            rebuilt = _rebuild(here, host, choices, reporter, master)
        finally:
            master.close()
    return replace(rebuilt, seconds=time.monotonic() - began)


def _rebuild(here: Here, host: str, choices: Choices, reporter: Reporter, master: Master) -> Rebuilt:
    staging = Staging.make(here, host, master, reporter.on_file)
    try:
        begun = parting.begun(here, choices)
        fetched = _fetch(staging, choices)
        reporter.on_fetched(fetched)
        at = staging.repository(DATABASE).note(fetched.tip).at
        texts = {path: staging.bytes_of(path) for path in (PASSWD, GROUP) if path in staging.places}
        planned = preview(fetched.snapshot, texts, choices, begun, fetched.parts)
        planned = parting.told(planned, choices, fetched)
        reporter.on_plan(planned)
        _make_target(choices.target)
        if not choices.target:
            moving.remember(here.state, planned.moves)
        outcome = _carry_out(
            here,
            host,
            planned,
            parting.placed(choices, fetched),
            _Source(staging, choices.target, planned.overrides),
            reporter,
        )
        adopted = not choices.target and not parting.is_partial(choices) and adoption.may_adopt(here, host)
        if adopted:
            adoption.adopt(here, host, staging, fetched, master.label)
            _remember_owed(here, fetched, outcome)
        elif not choices.target:
            parting.settle_owed(here, host, fetched, planned.plan, outcome)
        return Rebuilt(host, fetched.tip, at, fetched, planned.plan, outcome, adopted, 0.0)
    finally:
        staging.remove()


def _fetch(staging: Staging, choices: Choices) -> Fetched:
    try:
        return staging.fetch(choices.at, choices.asked, absent=choices.delete)
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


def _carry_out(
    here: Here, host: str, planned: Preview, parts: tuple[bytes, ...], source: _Source, reporter: Reporter
) -> Outcome:
    state = os.fsencode(here.state.path)
    journal = Journal.begin(state, host, parts)
    try:
        return apply(planned.plan, source, journal, on_step=reporter.on_step)
    finally:
        journal.close()
        prune(state)


def _remember_owed(here: Here, fetched: Fetched, outcome: Outcome) -> None:
    """Remember what could not be restored, as it is now."""
    if not outcome.unrestored:
        owed.remember(here.state, [], {})
        return
    live = fetched.snapshot.live
    left = survey.look(live, {}, [], Accounts.of_machine())
    owed.remember(here.state, outcome.unrestored, left)
