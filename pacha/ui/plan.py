"""Show a rebuild's plan before it is carried out, and what its hooks printed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from pacha.host.orphans import words
from pacha.rebuild import freshness, release, report, services_report
from pacha.rebuild.freshness import Disagreement
from pacha.rebuild.hooks import HookRun, Planned
from pacha.rebuild.keep import tops
from pacha.rebuild.living import LivingMachine
from pacha.rebuild.options import Remembered
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.report import step_line, watched_line
from pacha.rebuild.text_diff import text_diff
from pacha.restore.plan import Action, Plan, Step
from pacha.store.host_state import Orphans
from pacha.text import enumerated, escape, local_minute, printable
from pacha.ui.machine import machines_line
from pacha.ui.package_plan import package_lines

_ACTIONS = {
    Action.CREATE: "to make",
    Action.REPLACE: "to replace",
    Action.METADATA: "to be given back their owner, mode, attributes or time",
    Action.SAME: "already right",
    Action.EXTRA: "not part of the snapshot, to be left alone",
    Action.KEPT_BY_RULE: "to be kept as they are, by pacha.rebuild.keep",
    Action.WITHHELD: "to be left to this machine",
    Action.CANNOT: "that cannot be restored",
}
_SHOWN = 20  #: replaced paths that are listed with the question, and as many that are moved aside


def plan_lines(proposal: Proposal) -> Iterator[str]:
    """The plan in lines: snapshot, counts by action, hooks."""
    preview = proposal.preview
    if proposal.revised:
        yield "Packages, or hooks, changed what there is to do. It is now:"
    else:
        yield from _about_lines(proposal)
    if preview.names_by and not proposal.revised:
        yield f"Owners and groups by name, as in {preview.names_by}."
    if proposal.packages:
        yield from package_lines(proposal.host, proposal.packages)
    yield from totals(preview.plan)
    if kept := tops([step.path for step in preview.plan.steps if step.action is Action.KEPT_BY_RULE]):
        yield f"Kept: {enumerated([*map(escape, kept)], _SHOWN)}."
    yield from enumerated_steps([step for step in preview.plan.steps if step.action is Action.WITHHELD])
    if preview.reowned_count:
        yield f"{preview.reowned_count:>8} paths elsewhere to re-own: their accounts get other numbers, or are gone"
        yield from (f"         {account}" for account in preview.reowned_accounts)
    yield from _orphan_lines(preview.orphans)
    if proposal.services:
        yield from services_report.plan_lines(proposal.services)
    yield from (_hook_line(hook) for hook in (*proposal.hooks.before, *proposal.hooks.after))
    yield from (f"         not run: {words}" for words in proposal.hooks.passed_over)


def _about_lines(proposal: Proposal) -> Iterator[str]:
    """Which machine and which snapshot it is about, and what was chosen before."""
    if proposal.machines:
        yield machines_line(proposal.host, proposal.machines)
    yield from _difference_lines(proposal.differences)
    yield from _watched_lines(proposal)
    yield from _release_lines(proposal)
    at = local_minute(proposal.at)
    yield f"Snapshot {proposal.tip[:12]} of {at}, by {escape(proposal.by.encode())}."
    if proposal.signed:
        yield proposal.signed.words
    yield f"It watches {watched_line(proposal)}."
    for start in proposal.resumes:
        when = local_minute(start.at)
        yield f"The rebuild of {when}, which was interrupted, is resumed: what is already right is not touched."
        if start.tip not in ("", proposal.tip):
            yield f"That was of another snapshot, {escape(start.tip[:12])}: what it put back becomes as in this one."
    if proposal.remembered:
        yield f"As in the rebuild before this, which is not settled: {', '.join(_remembered(proposal.remembered))}."
        yield "'pacha push --accept', or 'pacha undo', forgets that."


def _remembered(remembered: Remembered) -> Iterator[str]:
    if remembered.keep:
        yield f"keep {' '.join(map(printable, remembered.keep))}"
    if remembered.accounts:
        yield f"--accounts {remembered.accounts.value}"
    if remembered.hardware:
        yield f"--hardware {remembered.hardware.value}"
    if remembered.packages:
        yield f"--packages {remembered.packages.value}"
    if remembered.owner_map:
        yield "its owner map"


def machine_lines(living: LivingMachine, host: str) -> Iterator[str]:
    """Which machine this is, and what becomes of it when ``host`` is rebuilt on it."""
    name = escape(os.fsencode(living.name))
    pushes = f"pushes as '{name}' to {', '.join(living.masters)}" if living.masters else "is not known to have pushed"
    last = f" (last on {local_minute(living.pushed)})" if living.masters and living.pushed else ""
    paths = enumerated([*map(escape, living.watched)], _SHOWN) or "nothing"
    yield f"This machine is '{name}': it {pushes}{last}, and watches {paths}."
    if living.becomes:
        yield f"It would become '{host}', but pushes are refused while its pacha.hostname says another name."
    else:
        yield f"Files of '{host}' would take the place of its own, and it would go on pushing as '{name}', with them."


def _difference_lines(differences: Sequence[Disagreement]) -> Iterator[str]:
    yield from map(freshness.words, differences)
    if differences:
        yield "So what is rebuilt may not be the newest snapshot: share/doc/pacha/rebuilding.rst says what to do."


def _watched_lines(proposal: Proposal) -> Iterator[str]:
    """What this machine will watch otherwise than now."""
    yield from (f"{escape(concern.path)}: {concern.reason}" for concern in proposal.watched)


def _release_lines(proposal: Proposal) -> Iterator[str]:
    if proposal.release is not None:
        yield release.words(proposal.host, proposal.release, proposal.target)
        yield "What was configured for one release may not work on another."
        yield "How to take parts: share/doc/pacha/recipes.rst"


def _orphan_lines(orphans: Sequence[Orphans]) -> Iterator[str]:
    yield from (f"         {words(orphan)} ({escape(orphan.paths[0])})" for orphan in orphans[:_SHOWN])
    if len(orphans) > _SHOWN:
        yield f"         ... and of {len(orphans) - _SHOWN} more accounts"


def totals(plan: Plan) -> list[str]:
    """A line with the number of paths for each action that ``plan`` has."""
    counts = plan.totals
    words = _ACTIONS | ({Action.EXTRA: "not part of the snapshot, to be moved aside"} if plan.delete else {})
    lines = [f"{counts[action]:>8} {text}" for action, text in words.items() if counts.get(action)]
    return [*lines, f"{len(plan.ownerless):>8} to be left without their owner or group"] if plan.ownerless else lines


def step_lines(proposal: Proposal, *, verbose: bool) -> Iterator[str]:
    """A line for every path that differs; with ``verbose`` also the diffs of text files."""
    for step in proposal.preview.plan.steps:
        if step.action is not Action.SAME:
            yield step_line(step)
            if verbose and step.action in (Action.REPLACE, Action.WITHHELD):
                yield from (f"    {line}" for line in text_diff(proposal, step))


def enumerated_steps(steps: Sequence[Step]) -> Iterator[str]:
    """A line for each of the first ``steps``, and how many more there are."""
    yield from (step_line(step) for step in steps[:_SHOWN])
    if len(steps) > _SHOWN:
        yield f"... and {len(steps) - _SHOWN} more; --dry-run lists all, with -v what differs in them."


def question_lines(proposal: Proposal) -> Iterator[str]:
    """The paths that would be replaced or moved aside, and what else is worth a second thought."""
    if proposal.living:
        yield from machine_lines(proposal.living, proposal.host)
    yield from _difference_lines(proposal.differences)
    yield from _watched_lines(proposal)
    yield from _release_lines(proposal)
    for steps in (proposal.replaced, proposal.moved_aside):
        yield from enumerated_steps(steps)


def hook_lines(run: HookRun) -> Iterator[str]:
    """How a hook ended and what it printed."""
    yield f"Hook {run.label}: {run.failure or 'done'}."
    yield from (f"  | {line}" for line in report.output_lines(run))


def _hook_line(hook: Planned) -> str:
    owner = "root's on the master" if hook.owner else "whose it is on the master cannot be told"
    when = "before" if hook.folder == "pacha_pre" else "after"
    return f"         run {when}: {hook.label} sha256 {hook.sha256} ({owner})"
