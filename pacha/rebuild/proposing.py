"""Plan a rebuild whose snapshot is fetched, with all that a person should know, for the disk as it is now."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from pacha.errors import Concern
from pacha.files.mount_points import MountPoints
from pacha.files.paths import rebase
from pacha.rebuild import adoption, aside, hardware, machine, packages, partial, release, sealing
from pacha.rebuild.actual_state import GROUP, PASSWD
from pacha.rebuild.attempt import Attempt
from pacha.rebuild.bound import Bound
from pacha.rebuild.hardware import Circumstances
from pacha.rebuild.hooks import Hooks
from pacha.rebuild.living import living_machine
from pacha.rebuild.packages import PlannedPackages
from pacha.rebuild.planning import PlannedRebuild, plan_rebuild
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.spooled_content import SpooledContent
from pacha.restore.journal import AFTER, cut_off, interrupted

_UNMOUNTED = "what was mounted there at the last push is not mounted now: what is put back comes beside it"


@dataclass(frozen=True, slots=True)
class _Compared:
    """This machine compared with that of the snapshot: the facts, another release, what stays as this one has it."""

    machines: machine.Machines | None
    change: release.ReleaseChange | None
    bound: Bound


def propose(attempt: Attempt, planned_hooks: Hooks) -> Proposal:
    """What the rebuild would do. Changes nothing; raises UsageError, PachaError."""
    fetched, options, target = attempt.fetched, attempt.options, attempt.options.target
    compared = _compared(attempt)
    change = compared.change
    clear = sealing.unsealed(attempt.context, attempt.host, fetched)
    install = packages.plan(attempt.staging, fetched, options, compared.machines, other_release=change is not None)
    planned = _without_content(attempt, _planned(attempt, compared), clear)
    planned = _on_another_machine(attempt, planned, compared, install)
    told = change if change and change.path and planned.plan.changes else None
    watched = tuple(adoption.changes_of_watched(attempt.context, attempt.host, fetched)) if attempt.adopts else ()
    planned = planned.led_by(release.concerns_of(told, attempt.host, target))
    planned = planned.led_by((*_unmounted(attempt), *watched))
    planned = planned.led_by(difference.concern for difference in attempt.differences)
    state = os.fsencode(attempt.context.state.path)
    resumes = interrupted(state, partial.restored_roots(options, fetched), target)
    newest = cut_off(state)
    again = bool(resumes) or (newest is not None and AFTER in newest.marks)
    note, content = fetched.note, SpooledContent(attempt.staging.spool, target, planned.overrides).content
    return Proposal(
        host=attempt.host, tip=fetched.tip, at=note.at, by=note.user, target=target, snapshot=fetched.snapshot,
        preview=planned, hooks=planned_hooks, resumes=resumes, content=content, parts=fetched.roots, release=told,
        living=living_machine(attempt.context, attempt.host, options),
        remembered=options.remembered, differences=attempt.differences, signed=attempt.signed,
        watched=watched, machines=compared.machines, bound=compared.bound,
        services=attempt.services(planned, again=again), again=again,
        sealed=frozenset(rebase(path, target) for path in (*fetched.sealed, *clear)),
        packages=install,
    )  # fmt: skip


def _compared(attempt: Attempt) -> _Compared:
    spool, options = attempt.staging.spool, attempt.options
    machines = machine.compare(attempt.fetched, options.target)
    change = release.change_of(spool, options.target, machines)
    circumstances = Circumstances(
        options=options, machines=machines,
        living=machines is None and options.in_place and adoption.remembers(attempt.context, attempt.host),
        other_release=change is not None, host=attempt.host,
        aside=aside.folder(attempt.context.state.path, attempt.host),
    )  # fmt: skip
    return _Compared(machines, change, hardware.decide(attempt.fetched.snapshot, spool, circumstances))


def _planned(attempt: Attempt, compared: _Compared) -> PlannedRebuild:
    spool, fetched, options = attempt.staging.spool, attempt.fetched, attempt.options
    texts = {path: spool.bytes_of(path) for path in (PASSWD, GROUP) if path in spool.places}
    orphans = attempt.context.state.read().orphans
    kept = {**fetched.purged, **sealing.own_word(attempt.context, options)}
    spared = compared.bound.without(kept, fetched.shut)
    return plan_rebuild(
        fetched.snapshot, texts, options, interrupted=attempt.interrupted_renumbering, holes=spool.holes,
        parts=fetched.roots, remembered=orphans, bound=spared,
    )  # fmt: skip


def _without_content(attempt: Attempt, planned: PlannedRebuild, clear: Mapping[bytes, str]) -> PlannedRebuild:
    """``planned`` with concerns about content that was purged, stays sealed, or loses its other names."""
    fetched, options = attempt.fetched, attempt.options
    planned = planned.led_by(partial.purged(planned.plan, fetched, options.target))
    planned = planned.led_by(sealing.concerns(attempt.context, clear, fetched, planned.plan, options))
    return partial.with_split_hardlink_warnings(planned, options, fetched)


def _on_another_machine(
    attempt: Attempt, planned: PlannedRebuild, compared: _Compared, install: PlannedPackages | None
) -> PlannedRebuild:
    """``planned`` with concerns about what is bound to the hardware or the release of the snapshot's machine."""
    complete = not (install and install.installs and install.missing.wanted)
    concerns = hardware.concerns_of(compared.bound, planned.plan, attempt.options.target, complete=complete)
    return planned.led_by(concerns)


def _unmounted(attempt: Attempt) -> list[Concern]:
    """A concern for each volume that the last push of this machine met and that is not mounted now."""
    if attempt.options.target:
        return []
    places = attempt.fetched.roots or [watched.path for watched in attempt.fetched.snapshot.live]
    points = MountPoints.of_machine(attempt.context.state.read().mounted)
    return [Concern(path, _UNMOUNTED) for path in points.missing_near(places)]
