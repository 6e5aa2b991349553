"""Rules for a rebuild of a part, or of an older snapshot: it adopts nothing and resumes no full rebuild."""

from __future__ import annotations

from dataclasses import replace

from pacha.errors import Concern, UsageError
from pacha.fetch.fetched import Fetched
from pacha.files.owners import Accounts
from pacha.files.paths import rebase
from pacha.host import owed
from pacha.host.context import Context
from pacha.rebuild import actual_state, renumber
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.planning import PlannedRebuild
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Action, Plan
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder

_ON_TRUST = ". The signed snapshot has it, and only the master says that it was purged: it may hold it back"


def is_partial(options: RebuildOptions) -> bool:
    """Whether ``options`` select less than the whole newest snapshot."""
    return bool(options.at or options.asked)


def restored_roots(options: RebuildOptions, fetched: Fetched) -> tuple[bytes, ...]:
    """The restored paths, as on disk; () for all watched paths in their original places."""
    everything = tuple(watched.path for watched in fetched.snapshot.live) if options.target else ()
    return tuple(rebase(path, options.target) for path in fetched.roots or everything)


def with_split_hardlink_warnings(planned: PlannedRebuild, options: RebuildOptions, fetched: Fetched) -> PlannedRebuild:
    """``planned`` with a concern for each file that it separates from its other names."""
    split = {rebase(path, options.target) for path in fetched.split_hardlinks}
    written = [s for s in planned.plan.steps if s.path in split and s.action in (Action.CREATE, Action.REPLACE)]
    words = "a file of its own from now on: its other names are not restored"
    concerns = (*planned.plan.concerns, *(Concern(step.path, words) for step in written))
    return replace(planned, plan=replace(planned.plan, concerns=concerns))


def purged(plan: Plan, fetched: Fetched, target: bytes) -> list[Concern]:
    """A concern for each path that cannot be restored, as its content was erased from the history.

    If the newest snapshot is signed, only the master claims that: a host records anew what was erased of its own.
    """
    told = _ON_TRUST if fetched.provenance.vouched and fetched.newest else ""
    reasons = {rebase(path, target): reason for path, reason in fetched.purged.items()}
    steps = (step for step in plan.steps if step.action is Action.WITHHELD and step.path in reasons)
    return [Concern(step.path, f"{reasons[step.path]}: not restored{told}") for step in steps]


def interrupted_renumbering(context: Context, options: RebuildOptions) -> renumber.InterruptedRenumbering:
    """The owner changes that a killed rebuild did not finish. Raises UsageError where only a part is selected."""
    renumbering = renumber.interrupted_renumbering(context.state, options.target)
    if renumbering.moved and options.asked:
        raise UsageError(
            "A rebuild was interrupted while it changed the owners of files.",
            "half of them belong to the numbers of before; a part of the host does not settle that",
            "Rebuild the whole host, or put back what was there: pacha undo",
            code="renumbering-unfinished",
        )
    return renumbering


def settle_owed(context: Context, host: str, fetched: Fetched, plan: Plan, outcome: Outcome) -> None:
    """After a partial rebuild of this host's newest snapshot: what it restored is no longer owed, what failed is.

    A rebuild of an older snapshot changes nothing here: pushes keep what the newest one recorded.
    """
    if host != context.hostname() or not fetched.newest or context.state.read().tip != fetched.tip:
        return
    if not outcome.unrestored and not owed.paths(context.state):
        return
    actual = actual_state.read_actual_state(fetched.snapshot.live, {}, [], Accounts.of_machine(), fetched.roots)
    tried = {step.path for step in plan.steps if step.wanted is not None}
    owed.resolve(context.state, tried, outcome.unrestored, actual)


def remember_outcome(state: StateFolder, snapshot: Snapshot, outcome: Outcome) -> None:
    """Remember as owed what a rebuild of ``snapshot`` could not restore, with what is on disk there now."""

    actual = actual_state.read_actual_state(snapshot.live, {}, [], Accounts.of_machine()) if outcome.unrestored else {}
    owed.remember(state, outcome.unrestored, actual)
