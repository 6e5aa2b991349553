"""Plan a rebuild whose snapshot is fetched, and carry it out: packages, files, adoption, services, hooks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial as partial_call

from pacha.errors import Concern, PachaError
from pacha.fetch import provenance
from pacha.fetch.staging import Fetched, Staging
from pacha.files.metadata import Entry
from pacha.files.mount_points import MountPoints
from pacha.files.paths import rebase
from pacha.host.context import Context
from pacha.rebuild import (
    adoption,
    aside,
    choices,
    freshness,
    hardware,
    hooks,
    machine,
    packages,
    partial,
    release,
    renumber,
    report,
    sealing,
    services,
)
from pacha.rebuild.actual_state import GROUP, PASSWD
from pacha.rebuild.hardware import Circumstances
from pacha.rebuild.hooks import HookRun, Hooks, Planned
from pacha.rebuild.installation import Installation, InstalledPackages, installing
from pacha.rebuild.last_word import SignedBy
from pacha.rebuild.living import living_machine
from pacha.rebuild.options import HardwarePolicy, LabelPolicy, RebuildOptions, ServicePolicy
from pacha.rebuild.planning import PlannedRebuild, plan_rebuild
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.result import Rebuilt, Reporter
from pacha.rebuild.services import PlannedServices, ServiceTaskKind, TaskRun
from pacha.restore.apply import apply
from pacha.restore.inode import explain
from pacha.restore.journal import AFTER, DONE, RESTARTED, Journal, interrupted, was_cut_off
from pacha.restore.journal_records import Mark
from pacha.restore.outcome import Outcome
from pacha.restore.undo import prune
from pacha.restore.write import Extent
from pacha.store.host_state import HostState
from pacha.text import escape
from pacha.wire.master import Master

_UNMOUNTED = "what was mounted there at the last push is not mounted now: what is put back comes beside it"


@dataclass(frozen=True, slots=True)
class _Source:
    """The content of entries, whose paths are those on disk."""

    staging: Staging
    target: bytes
    overrides: Mapping[bytes, bytes] = field(default_factory=dict)

    def content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of ``entry``, in chunks."""
        recorded = self._recorded(entry)
        if recorded in self.overrides:
            return iter([self.overrides[recorded]])
        return self.staging.spool.content(recorded)

    def place(self, entry: Entry) -> Extent | None:
        """Where another process can read them."""
        recorded = self._recorded(entry)
        return None if recorded in self.overrides else Extent(*self.staging.spool.place(recorded))

    def _recorded(self, entry: Entry) -> bytes:
        return entry.path[len(self.target.rstrip(b"/")) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A rebuild under way, whose snapshot is fetched."""

    context: Context
    host: str
    options: RebuildOptions
    reporter: Reporter
    master: Master
    staging: Staging
    fetched: Fetched
    begun: renumber.InterruptedRenumbering
    began: float  #: by time.monotonic()
    differences: tuple[freshness.Disagreement, ...]
    signed: SignedBy | None = None

    def propose(self, planned_hooks: Hooks) -> Proposal:
        """Plan for the disk as it is now."""
        spool = self.staging.spool
        texts = {path: spool.bytes_of(path) for path in (PASSWD, GROUP) if path in spool.places}
        fetched, holes, target = self.fetched, spool.holes, self.options.target
        orphans = self.context.state.read().orphans
        machines = machine.compare(fetched, target)
        change = release.change_of(spool, target, machines)
        bound = hardware.decide(fetched.snapshot, spool, self._circumstances(machines, change))
        spared = bound.without({**fetched.purged, **sealing.own_word(self.context, self.options)}, fetched.shut)
        planned = plan_rebuild(fetched.snapshot, texts, self.options, self.begun, holes, fetched.roots, orphans, spared)
        planned = planned.led_by(partial.purged(planned.plan, fetched, target))
        clear = sealing.unsealed(self.context, self.host, fetched)
        planned = planned.led_by(sealing.concerns(self.context, clear, fetched, planned.plan, self.options))
        planned = partial.with_split_hardlink_warnings(planned, self.options, fetched)
        install = packages.plan(self.staging, fetched, self.options, machines, other_release=change is not None)
        complete = not (install and install.installs and install.missing.wanted)
        planned = planned.led_by(hardware.concerns_of(bound, planned.plan, target, complete=complete))
        told = change if change and change.path and planned.plan.changes else None
        planned = planned.led_by(release.concerns_of(told, self.host, target))
        watched = tuple(adoption.changes_of_watched(self.context, self.host, fetched)) if self._adopts else ()
        planned = planned.led_by((*self._unmounted(), *watched))
        planned = planned.led_by(difference.concern for difference in self.differences)
        content = _Source(self.staging, target, planned.overrides).content
        resumes = interrupted(
            os.fsencode(self.context.state.path), partial.restored_roots(self.options, fetched), target
        )
        again = bool(resumes) or was_cut_off(os.fsencode(self.context.state.path))
        note = fetched.note
        return Proposal(
            host=self.host, tip=fetched.tip, at=note.at, by=note.user, target=target, snapshot=fetched.snapshot,
            preview=planned, hooks=planned_hooks, resumes=resumes, content=content, parts=fetched.roots, release=told,
            living=living_machine(self.context, self.host, self.options), remembered=self.options.remembered,
            differences=self.differences, signed=self.signed, watched=watched, machines=machines, bound=bound,
            services=self._services(planned, again=again), again=again,
            sealed=frozenset(rebase(path, target) for path in (*fetched.sealed, *clear)),
            packages=install,
        )  # fmt: skip

    def _circumstances(self, machines: machine.Machines | None, change: release.ReleaseChange | None) -> Circumstances:
        return Circumstances(
            options=self.options, machines=machines,
            living=machines is None and self.options.in_place and adoption.remembers(self.context, self.host),
            other_release=change is not None, host=self.host, aside=aside.folder(self.context.state.path, self.host),
        )  # fmt: skip

    def _unmounted(self) -> list[Concern]:
        """A concern for each volume that the last push of this machine met and that is not mounted now."""
        if self.options.target:
            return []
        places = self.fetched.roots or [watched.path for watched in self.fetched.snapshot.live]
        points = MountPoints.of_machine(self.context.state.read().mounted)
        return [Concern(path, _UNMOUNTED) for path in points.missing_near(places)]

    def _services(
        self, planned: PlannedRebuild, *, again: bool, installed: tuple[str, ...] = ()
    ) -> PlannedServices | None:
        """What the files that are put back, and the packages ``installed``, ask for; below another folder, nothing.

        ``again``: a killed rebuild may have put back any of the files.
        """
        if self.options.target:
            return None
        changed = frozenset(planned.wanted) if again else services.changed_paths(planned.plan)
        labels, owed = self.options.labels is LabelPolicy.POLICY, self.context.state.read().services_owed
        return services.plan(changed, self._service_policy, labels=labels, installed=installed, owed=owed)

    @property
    def _service_policy(self) -> ServicePolicy:
        whole = self._adopts and os.geteuid() == 0
        return self.options.services or (ServicePolicy.RESTART if whole else ServicePolicy.LIST)

    @property
    def _adopts(self) -> bool:
        """Whether this machine goes on as the host."""
        whole = not self.options.target and not partial.is_partial(self.options)
        return whole and adoption.may_adopt(self.context, self.host)

    def run(self, proposal: Proposal) -> Rebuilt:
        """Carry it out, between the hooks; first the packages, which are all fetched before anything is changed."""
        _check_room(proposal)
        with installing(proposal.packages) as installation:
            ran = self._run(proposal.hooks.before)
            if ran:
                _check_ran(ran)
            before = None
            if installation:
                before = self._remember(proposal, installation)
                installation = installation.installed(proposal.preview.wanted)
            if ran or installation:
                proposal = self._plan_again(proposal)
            return self._restore(proposal, ran, installation, before)

    def _restore(
        self,
        proposal: Proposal,
        ran: tuple[HookRun, ...],
        installation: Installation | None,
        before: HostState | None,
    ) -> Rebuilt:
        self._put_aside(proposal)
        if self.fetched.newest and self.fetched.provenance.vouched:
            stated = provenance.accepted(
                self.context.state.read(), self.host, self.fetched.tip, self.fetched.provenance
            )
            self.context.state.update(stated=stated)
        _make_target(self.options.target)
        renumber.remember_id_changes(self.context.state, proposal.preview.moves, self.options.target)
        if proposal.preview.walked:
            renumber.remember_orphans(self.context.state, proposal.preview.orphans, self.options.target)
        parts = partial.restored_roots(self.options, self.fetched)
        now = self._remember(proposal, installation)
        before = before or now
        journal = Journal.begin(
            os.fsencode(self.context.state.path), self.host, parts, self.options.target, self.fetched.tip
        )
        try:
            rebuilt = self._carry_out(proposal, ran, journal, installation)
            choices.settle(self.context, self.options, before, rebuilt)
            return rebuilt
        finally:
            if "stopped" in journal.marks:
                choices.take_back(self.context, self.host, before)
            journal.close()
            prune(os.fsencode(self.context.state.path))

    def _remember(self, proposal: Proposal, installation: Installation | None) -> HostState:
        """Remember the choices: a rebuild that is killed is then gone on with; returns the state before."""
        installs = installation.planned.policy if installation else None
        return choices.remember(self.context, self.host, self._decided(proposal), installs)

    def _put_aside(self, proposal: Proposal) -> None:
        bound, plan = proposal.bound, proposal.preview.plan
        kept = hardware.aside_paths(bound, plan, self.options.target)
        aside.write(aside.folder(self.context.state.path, self.host), kept.values(), self.staging.spool)

    def _decided(self, proposal: Proposal) -> RebuildOptions:
        """The options to remember: once this machine goes on as the host, nothing tells any more that it is another.

        For its pushes record this machine, while what is owed is still the other one's.
        """
        return replace(self.options, hardware=HardwarePolicy.OTHER) if proposal.bound.other else self.options

    def _plan_again(self, before: Proposal) -> Proposal:
        """Plan after packages, and hooks, which may have made accounts or mounted a disk."""
        now = self.propose(before.hooks)
        if before.packages and before.packages.installs:
            now = replace(now, packages=None)  # all of that was said
        if now.preview.plan != before.preview.plan:
            self.reporter.on_plan(replace(now, revised=True))
            _check_room(now)
        return replace(now, packages=before.packages)

    def _carry_out(
        self,
        proposal: Proposal,
        ran: tuple[HookRun, ...],
        journal: Journal,
        installation: Installation | None,
    ) -> Rebuilt:
        source = _Source(self.staging, self.options.target, proposal.preview.overrides)
        if self.options.in_place and self._service_policy is ServicePolicy.RESTART:
            journal.write(Mark(AFTER))
        plan, worker = proposal.preview.plan, self.staging.spool.worker
        outcome = apply(plan, source, journal, helper=worker, on_step=self.reporter.on_step)
        if installation:
            installation = installation.completed(journal.folder)
            choices.installed(self.context, self.host)
        adopted = self._go_on_as_host(proposal, outcome)
        done = installation.done if installation else None
        tasks = self._run_services(proposal, done)
        ran = (*ran, *self._run(proposal.hooks.after))
        if any(run.task.kind is ServiceTaskKind.UNIT and not run.failure for run in tasks):
            journal.write(Mark(RESTARTED))
        with suppress(OSError):  # without it all that is repeated
            journal.mark(DONE)
        rebuilt = Rebuilt(
            proposal=proposal,
            outcome=outcome,
            ran=ran,
            adopted=adopted,
            fetched=self.fetched,
            seconds=time.monotonic() - self.began,
            tasks=tasks,
            packages=done,
        )
        return replace(rebuilt, report=report.write(rebuilt, journal))

    def _run_services(self, proposal: Proposal, done: InstalledPackages | None) -> tuple[TaskRun, ...]:
        """Carry out what is planned for after the files, as the machine is now: they may have brought units."""
        if self._service_policy is not ServicePolicy.RESTART or self.options.target:
            return ()
        installed = tuple(name for name, _ in done.installed) if done else ()
        plan = partial_call(self._services, proposal.preview, again=proposal.again, installed=installed)
        planned, state = plan(), self.context.state
        tasks = services.run(planned, state.path, self.reporter.on_task, plan) if planned else ()
        if (owed := services.owed(tasks)) != state.read().services_owed:
            state.update(services_owed=owed)
        return tasks

    def _go_on_as_host(self, proposal: Proposal, outcome: Outcome) -> bool:
        """Adopt the host's history if allowed, and remember what is owed. Returns whether it was adopted."""
        if self.options.target:
            return False
        adopts = self._adopts
        if adopts:
            with _in_place():
                adoption.adopt(self.context, self.host, self.staging, self.fetched, self.context.master())
                partial.remember_outcome(self.context.state, self.fetched.snapshot, outcome)
        else:
            partial.settle_owed(self.context, self.host, self.fetched, proposal.preview.plan, outcome)
        return adopts

    def _run(self, planned: tuple[Planned, ...]) -> tuple[HookRun, ...]:
        environment = hooks.environment(self.host, self.fetched.tip, self.options.target, self.fetched.roots)
        return hooks.run(planned, environment, self.reporter.on_hook)


@contextmanager
def _in_place() -> Iterator[None]:
    """Say in an error of the body that the files are in place already."""
    try:
        yield
    except (PachaError, OSError) as error:
        why = f"{error.message} {error.why}".strip() if isinstance(error, PachaError) else explain(error)
        raise PachaError(
            "All files are in place, but this machine has not adopted the host yet.",
            why,
            "Fix that and run the rebuild again: what is right is not touched.",
            code="adoption-failed",
        ) from None


def _check_room(proposal: Proposal) -> None:
    for shortage in proposal.preview.shortages:
        raise PachaError(
            "There is no room for the rebuild; no file was changed.",
            f"{escape(shortage.path)}: {shortage.reason}",
            "Make room there, or rebuild below another folder with --target.",
            code="no-room",
        )


def _check_ran(ran: tuple[HookRun, ...]) -> None:
    if ran[-1].failure:
        raise PachaError(
            f"The hook {ran[-1].label} failed; nothing was changed.",
            ran[-1].failure,
            "Fix what it complains of, or rebuild without --hooks.",
            code="hook-failed",
        )


def _make_target(target: bytes) -> None:
    if target:
        try:
            os.makedirs(target, mode=0o755, exist_ok=True)
        except OSError as error:
            raise no_target(target, error.strerror or "") from None


def no_target(target: bytes, why: str) -> PachaError:
    """The error for a ``target`` that cannot be made."""
    return PachaError(f"{escape(target)} cannot be made.", why, "Name another --target.", code="target-not-made")
