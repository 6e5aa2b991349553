"""Plan which files outside the snapshot change their owner, because the accounts get other numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pacha.errors import Concern, UsageError
from pacha.files.owners import Accounts
from pacha.host.orphans import unsettled
from pacha.rebuild import renumber
from pacha.rebuild.actual_state import AccountsBefore
from pacha.rebuild.id_changes import IdChanges, id_changes
from pacha.rebuild.keep import Keep
from pacha.rebuild.options import AccountPolicy, RebuildOptions
from pacha.rebuild.renumber import InterruptedRenumbering, Reowning
from pacha.restore.plan import Action, Plan
from pacha.store.host_state import Orphans


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedReowning:
    """The ``reowning`` that a rebuild does, and the ``changes`` of numbers that it follows from.

    ``orphans`` is what is kept for lost accounts: all of it if the file systems were ``walked``.
    """

    reowning: Reowning = field(default_factory=Reowning)
    changes: IdChanges = field(default_factory=IdChanges)
    orphans: tuple[Orphans, ...] = ()
    walked: bool = False


def plan_owners(
    plan: Plan,
    before: AccountsBefore,
    after: Accounts,
    options: RebuildOptions,
    keep: Keep,
    interrupted: InterruptedRenumbering,
    remembered: tuple[Orphans, ...],
    *,
    restored: bool,
) -> PlannedReowning:
    """What is re-owned beside the ``plan`` of the watched paths. Reads the disk, changes nothing.

    ``restored``: account files are restored. ``interrupted`` is what a killed rebuild did not finish; ``remembered``
    are the orphans of earlier rebuilds. Raises UsageError where only one policy finishes an interrupted renumbering.
    """
    earlier = [orphans for orphans in remembered if orphans.target == options.target]
    changes = _changes(before, after, options, earlier) if restored and os.geteuid() == 0 else None
    untouched = {Action.KEPT_BY_RULE, Action.WITHHELD} | (set() if plan.delete else {Action.EXTRA})
    handled = frozenset(step.path for step in plan.steps if step.action not in untouched)  # the plan sets their owners
    reowning = keep.sparing(_reowning(changes, before.known or after, after, options, handled, interrupted))
    walked = changes is not None and options.accounts is not AccountPolicy.LEAVE
    return PlannedReowning(
        reowning=reowning,
        changes=interrupted.moved or changes or IdChanges(),
        orphans=reowning.orphans if walked else unsettled(remembered, options.target),
        walked=walked,
    )


def _changes(
    before: AccountsBefore, after: Accounts, options: RebuildOptions, orphans: Iterable[Orphans]
) -> IdChanges | None:
    """The numbers that change on the machine at the target; None where there is no machine."""
    if before.known is None or before.files is None:
        return None
    parks = options.accounts in (None, AccountPolicy.RENUMBER)
    return id_changes(before.known, before.files, after, orphans, parks=parks)


def _reowning(
    changes: IdChanges | None,
    before: Accounts,
    after: Accounts,
    options: RebuildOptions,
    handled: frozenset[bytes],
    interrupted: InterruptedRenumbering,
) -> Reowning:
    if interrupted.moved and options.accounts not in (None, AccountPolicy.RENUMBER):
        raise UsageError(
            "A rebuild was interrupted while it changed the owners of files.",
            "half of them belong to the numbers of before",
            "Rebuild with --accounts renumber, or put back what was there: pacha undo",
            code="renumbering-unfinished",
        )
    resumed = renumber.resumed(interrupted, handled, after)
    if not changes:
        return resumed
    settled = [record.old for record in interrupted.found.values()]
    reowning = renumber.plan_reowning(changes, before, after, handled, settled, options.target or b"/")
    concerns = (*resumed.concerns, *reowning.concerns)
    reowning = replace(reowning, steps=(*resumed.steps, *reowning.steps), concerns=concerns)
    if options.accounts is not AccountPolicy.LEAVE:
        return replace(reowning, orphans=renumber.orphans_of(changes, reowning.held, resumed.steps, options.target))
    left = (Concern(step.path, f"{step.reason}; left as it is") for step in reowning.steps)
    return Reowning((), (*left, *reowning.concerns, *renumber.left_to_others(changes, reowning.held)))
