"""A rebuild: fetch, check, plan, put everything back, check permissions, go on as that host."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from pacha.errors import Concern, PachaError
from pacha.fetch.staging import Fetched, Staging
from pacha.fetch.worker import WorkerProcess, import_meanwhile
from pacha.files.metadata import Entry
from pacha.host.context import Context, check_host
from pacha.host.masters import connect
from pacha.rebuild import accounts, adoption, hooks, moving, own, partial, report
from pacha.rebuild.actual_state import GROUP, PASSWD
from pacha.rebuild.hooks import HookRun, Hooks, Planned
from pacha.rebuild.planning import RebuildOptions, preview
from pacha.rebuild.proposal import Proposal
from pacha.restore.apply import apply
from pacha.restore.inode import explain
from pacha.restore.journal import Journal, cut_off
from pacha.restore.plan import Outcome, Step
from pacha.restore.undo import prune
from pacha.text import escape
from pacha.wire.master import Master, NoHost
from pacha.wire.scp import Received


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did. ``adopted``: this machine now goes on as the host; ``report``: where all of it is written."""

    proposal: Proposal
    outcome: Outcome
    ran: tuple[HookRun, ...]
    adopted: bool
    fetched: Fetched
    report: str = ""
    seconds: float = 0.0

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What a person should look at."""
        failed = (Concern(os.fsencode(one.label), f"the hook failed: {one.failure}") for one in self.ran if one.failure)
        return (*self.outcome.concerns, *failed)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Whom a rebuild tells what it does. ``confirm`` comes before anything is changed, and may raise."""

    on_file: Callable[[Received], None] = lambda received: None
    on_fetched: Callable[[Fetched], None] = lambda fetched: None
    on_plan: Callable[[Proposal], None] = lambda proposal: None
    confirm: Callable[[Proposal], None] = lambda proposal: None
    on_hook: Callable[[HookRun], None] = lambda ran: None
    on_step: Callable[[Step], None] = lambda step: None
    on_expected: Callable[[int], None] = lambda files: None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the content of wanted entries, which have their paths on disk, comes from."""

    staging: Staging
    target: bytes
    overrides: Mapping[bytes, bytes] = field(default_factory=dict)

    def content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of ``entry``, in chunks."""
        recorded = entry.path[len(self.target.rstrip(b"/")) :]
        if recorded in self.overrides:
            return iter([self.overrides[recorded]])
        return self.staging.spool.content(recorded)


def propose(
    context: Context,
    host: str,
    choices: RebuildOptions = RebuildOptions(),  # noqa: B008
    reporter: Reporter = Reporter(),
    second: WorkerProcess | None = None,
) -> Proposal:
    """What a rebuild would do, having fetched and checked all of it. Changes nothing; raises as ``rebuild``."""
    with _prepared(context, host, choices, reporter, second) as (attempt, proposal):
        attempt.reporter.on_plan(proposal)
        return proposal


def rebuild(
    context: Context,
    host: str,
    choices: RebuildOptions = RebuildOptions(),  # noqa: B008
    reporter: Reporter = Reporter(),
    second: WorkerProcess | None = None,
) -> Rebuilt:
    """Put every watched path of ``host`` back, to where it was or below ``choices.target``; ``second`` helps.

    Raises UsageError, LockedError, UnreachableError, DamagedError (all before anything is touched) and
    PachaError; Signalled says how things stand. OnlyRevision paths that could not be restored are in the concerns.
    """
    with _prepared(context, host, choices, reporter, second) as (attempt, proposal):
        reporter.on_plan(proposal)
        reporter.confirm(proposal)
        return attempt.run(proposal)


@contextmanager
def _prepared(
    context: Context, host: str, choices: RebuildOptions, reporter: Reporter, second: WorkerProcess | None
) -> Iterator[tuple[_Attempt, Proposal]]:
    """Everything fetched, checked and planned; what was fetched is removed in the end."""
    check_host(host)
    began = time.monotonic()
    target = os.path.realpath(choices.target) if choices.target else b""
    choices = replace(choices, target=target, keep=context.config.rebuild_keep)
    _check_choices(choices)  # before anything is fetched for nothing
    with ExitStack() as stack:
        stack.enter_context(context.state.locked(choices.wait_seconds))
        begun = partial.begun(context, choices)
        if second is None:
            import_meanwhile()
        master = own.master(context, host, choices) or connect(context, context.master())
        stack.callback(master.close)
        staging = Staging.make(context, host, master, reporter.on_file, reporter.on_expected, second)
        stack.callback(staging.remove)
        fetched = _fetch(staging, choices)
        reporter.on_fetched(fetched)
        wanted = stack.enter_context(hooks.fetched(context.state.path, master, host)) if choices.hooks else Hooks()
        attempt = _Attempt(context, host, choices, reporter, master, staging, fetched, begun, began)
        yield attempt, attempt.propose(wanted)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One rebuild on its way, with everything of the snapshot at hand."""

    context: Context
    host: str
    choices: RebuildOptions
    reporter: Reporter
    master: Master
    staging: Staging
    fetched: Fetched
    begun: moving.InterruptedRenumbering
    began: float  #: by time.monotonic()

    def propose(self, wanted: Hooks) -> Proposal:
        """The plan against the disk as it is now."""
        spool = self.staging.spool
        texts = {path: spool.bytes_of(path) for path in (PASSWD, GROUP) if path in spool.places}
        fetched, holes, target = self.fetched, spool.holes, self.choices.target
        planned = preview(fetched.snapshot, texts, self.choices, self.begun, holes, fetched.parts)
        planned = partial.told(planned, self.choices, fetched)
        content = _Source(self.staging, target, planned.overrides).content
        carries_on = cut_off(os.fsencode(self.context.state.path), partial.placed(self.choices, fetched), target)
        note = fetched.note
        return Proposal(
            self.host, fetched.tip, note.at, note.user, target, fetched.snapshot, planned, wanted, carries_on,
            content, fetched.parts,
        )  # fmt: skip

    def run(self, proposal: Proposal) -> Rebuilt:
        """Carry it out, between the hooks."""
        _check_room(proposal)
        ran = self._run(proposal.hooks.before)
        if ran:
            _check_ran(ran)
            proposal = self._plan_again(proposal)
        _make_target(self.choices.target)
        if not self.choices.target:
            moving.remember(self.context.state, proposal.preview.moves)
        parts = partial.placed(self.choices, self.fetched)
        journal = Journal.begin(os.fsencode(self.context.state.path), self.host, parts, self.choices.target)
        try:
            return self._carry_out(proposal, ran, journal)
        finally:
            journal.close()
            prune(os.fsencode(self.context.state.path))

    def _plan_again(self, before: Proposal) -> Proposal:
        """The plan after the hooks, which may have made accounts or mounted a disk."""
        now = self.propose(before.hooks)
        if now.preview.plan != before.preview.plan:
            self.reporter.on_plan(now)
            _check_room(now)
        return now

    def _carry_out(self, proposal: Proposal, ran: tuple[HookRun, ...], journal: Journal) -> Rebuilt:
        source = _Source(self.staging, self.choices.target, proposal.preview.overrides)
        outcome = apply(proposal.preview.plan, source, journal, on_step=self.reporter.on_step)
        adopted = self._go_on_as_host(proposal, outcome)
        ran = (*ran, *self._run(proposal.hooks.after))
        rebuilt = Rebuilt(proposal, outcome, ran, adopted, self.fetched, seconds=time.monotonic() - self.began)
        return replace(rebuilt, report=report.write(rebuilt, journal))

    def _go_on_as_host(self, proposal: Proposal, outcome: Outcome) -> bool:
        """Adopt the host's history, where that may be; remember what is owed. Returns whether it was adopted."""
        if self.choices.target:
            return False
        adopts = not partial.is_partial(self.choices) and adoption.may_adopt(self.context, self.host)
        if adopts:
            with _in_place():
                adoption.adopt(self.context, self.host, self.staging, self.fetched, self.context.master())
                partial.remember_outcome(self.context.state, self.fetched.snapshot, outcome)
        else:
            partial.settle_owed(self.context, self.host, self.fetched, proposal.preview.plan, outcome)
        return adopts

    def _run(self, these: tuple[Planned, ...]) -> tuple[HookRun, ...]:
        environment = hooks.environment(self.host, self.fetched.tip, self.choices.target, self.fetched.parts)
        return hooks.run(these, environment, self.reporter.on_hook)


@contextmanager
def _in_place() -> Iterator[None]:
    """What fails now comes after the files: say so."""
    try:
        yield
    except (PachaError, OSError) as error:
        why = f"{error.message} {error.why}".strip() if isinstance(error, PachaError) else explain(error)
        raise PachaError(
            "The files are all in place, but this machine does not go on as the host yet.",
            why,
            "Mend that and run the rebuild again: what is right is not touched.",
        ) from None


def _check_choices(choices: RebuildOptions) -> None:
    """Raise UsageError, PachaError for an owner map that cannot be read, a target that can be no folder."""
    if choices.owner_map:
        accounts.read_map(choices.owner_map)
    place = choices.target
    while place and not os.path.lexists(place):
        place = os.path.dirname(place)
    if place and not os.path.isdir(place):
        raise _no_target(choices.target, f"{escape(place)} is no folder")


def _no_target(target: bytes, why: str) -> PachaError:
    return PachaError(f"{escape(target)} cannot be made.", why, "Name another --target.")


def _fetch(staging: Staging, choices: RebuildOptions) -> Fetched:
    try:
        return staging.fetch(choices.at, choices.asked, absent=choices.delete, options=_as_asked(choices))
    except NoHost as error:
        raise PachaError(
            f"There is no host '{staging.host}' on {staging.master.label}.",
            f"{error.message} {error.why}".strip(),
            "Look at its name on the master: pacha hosts",
        ) from None


def _as_asked(choices: RebuildOptions) -> str:
    """The options that keep a rebuild to where, and to what, it was meant for."""
    words = ["--target", escape(choices.target)] if choices.target else []
    words += [word for ways in choices.asked.paths for word in ("--path", escape(ways[0]))]
    words += [word for name in choices.asked.directories for word in ("--directory", name)]
    return f" {shlex.join(words)}" if words else ""


def _check_room(proposal: Proposal) -> None:
    for shortage in proposal.preview.shortages:
        raise PachaError(
            "There is no room for the rebuild; nothing was changed.",
            f"{escape(shortage.path)}: {shortage.reason}",
            "Make room there, or rebuild below another folder with --target.",
        )


def _check_ran(ran: tuple[HookRun, ...]) -> None:
    if ran[-1].failure:
        raise PachaError(
            f"The hook {ran[-1].label} failed; nothing was changed.",
            ran[-1].failure,
            "Mend what it complains of, or rebuild without --hooks.",
        )


def _make_target(target: bytes) -> None:
    if target:
        try:
            os.makedirs(target, mode=0o755, exist_ok=True)
        except OSError as error:
            raise _no_target(target, error.strerror or "") from None
