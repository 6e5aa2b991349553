"""Carry out a rebuild, phase by phase: packages, files, adoption, services, hooks, report."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial as partial_call

from pacha.errors import PachaError
from pacha.fetch import provenance
from pacha.rebuild import adoption, aside, choices, hardware, hooks, partial, renumber, report, services
from pacha.rebuild.attempt import Attempt
from pacha.rebuild.hooks import HookRun, Planned
from pacha.rebuild.install_packages import Installation, InstalledPackages, installing
from pacha.rebuild.options import HardwarePolicy, RebuildOptions, ServicePolicy
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.proposing import propose
from pacha.rebuild.result import Rebuilt
from pacha.rebuild.services import ServiceTaskKind, TaskRun
from pacha.rebuild.spooled_content import SpooledContent
from pacha.restore.apply import apply
from pacha.restore.inode import explain
from pacha.restore.journal import AFTER, DONE, RESTARTED, Journal
from pacha.restore.journal_records import Mark
from pacha.restore.outcome import Outcome
from pacha.restore.undo import prune
from pacha.store.host_state import HostState
from pacha.text import escape


def carry_out(attempt: Attempt, proposal: Proposal) -> Rebuilt:
    """Carry it out, between the hooks; first the packages, which are all fetched before anything is changed."""
    _check_room(proposal)
    with installing(proposal.packages) as installation:
        ran = _run_hooks(attempt, proposal.hooks.before)
        _check_ran(ran)
        before = None
        if installation:
            before = _remember(attempt, proposal, installation)
            installation = installation.installed(proposal.preview.wanted)
        if ran or installation:
            proposal = _plan_again(attempt, proposal)
        restoring = _Restoring(attempt=attempt, proposal=proposal, ran=ran, installation=installation)
        return restoring.run(before)


def _run_hooks(attempt: Attempt, planned: tuple[Planned, ...]) -> tuple[HookRun, ...]:
    fetched = attempt.fetched
    environment = hooks.environment(attempt.host, fetched.tip, attempt.options.target, fetched.roots)
    return hooks.run(planned, environment, attempt.reporter.on_hook)


def _remember(attempt: Attempt, proposal: Proposal, installation: Installation | None) -> HostState:
    """Remember the choices, with which a killed rebuild is resumed; returns the state before."""
    installs = installation.planned.policy if installation else None
    return choices.remember(attempt.context, attempt.host, _decided(attempt, proposal), installs)


def _decided(attempt: Attempt, proposal: Proposal) -> RebuildOptions:
    """The options to remember, with ``--hardware other`` if this is not the machine that the host was.

    That cannot be told any more once this machine goes on as the host: its pushes then record its own hardware, while
    the owed files are still those of the other machine.
    """
    options = attempt.options
    return replace(options, hardware=HardwarePolicy.OTHER) if proposal.bound.other else options


def _plan_again(attempt: Attempt, before: Proposal) -> Proposal:
    """Plan after packages, and hooks, which may have made accounts or mounted a disk."""
    now = propose(attempt, before.hooks)
    if before.packages and before.packages.installs:
        now = replace(now, packages=None)  # the person has seen that
    if now.preview.plan != before.preview.plan:
        attempt.reporter.on_plan(replace(now, revised=True))
        _check_room(now)
    return replace(now, packages=before.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Restoring:
    """The part of a rebuild that changes files: its plan, the hooks that ``ran`` before, the packages installed."""

    attempt: Attempt
    proposal: Proposal
    ran: tuple[HookRun, ...]
    installation: Installation | None

    def run(self, before: HostState | None) -> Rebuilt:
        """All phases. ``before``: the state before the choices were remembered, if they were."""
        context, options = self.attempt.context, self.attempt.options
        self._put_aside()
        self._accept_statement()
        _make_target(options.target)
        self._remember_numbers()
        now = _remember(self.attempt, self.proposal, self.installation)
        with self._journalled(before or now) as journal:
            rebuilt = self._restore(journal)
            choices.settle(context, options, before or now, rebuilt)
            return rebuilt

    def _put_aside(self) -> None:
        attempt = self.attempt
        kept = hardware.aside_paths(self.proposal.bound, self.proposal.preview.plan, attempt.options.target)
        folder = aside.folder(attempt.context.state.path, attempt.host)
        aside.write(folder, kept.values(), attempt.staging.spool)

    def _accept_statement(self) -> None:
        """Remember the newest signed statement, so that an older one is recognised as such."""
        state, fetched = self.attempt.context.state, self.attempt.fetched
        if fetched.newest and fetched.provenance.vouched:
            stated = provenance.accepted(state.read(), self.attempt.host, fetched.tip, fetched.provenance)
            state.update(stated=stated)

    def _remember_numbers(self) -> None:
        """Remember the numbers of accounts that change, which a killed rebuild leaves half changed."""
        state, target, preview = self.attempt.context.state, self.attempt.options.target, self.proposal.preview
        renumber.remember_id_changes(state, preview.id_changes, target)
        if preview.walked:
            renumber.remember_orphans(state, preview.orphans, target)

    @contextmanager
    def _journalled(self, before: HostState) -> Iterator[Journal]:
        """A journal for the body; where that stops early, the choices are as they were ``before``."""
        attempt = self.attempt
        state, parts = os.fsencode(attempt.context.state.path), partial.restored_roots(attempt.options, attempt.fetched)
        journal = Journal.begin(state, attempt.host, parts, attempt.options.target, attempt.fetched.tip)
        try:
            yield journal
        finally:
            if "stopped" in journal.marks:
                choices.take_back(attempt.context, attempt.host, before)
            journal.close()
            prune(state)

    def _restore(self, journal: Journal) -> Rebuilt:
        outcome = self._apply(journal)
        done = self._complete_packages(journal)
        adopted = self._go_on_as_host(outcome)
        tasks = self._run_services(done)
        ran = (*self.ran, *_run_hooks(self.attempt, self.proposal.hooks.after))
        if any(run.task.kind is ServiceTaskKind.UNIT and not run.failure for run in tasks):
            journal.write(Mark(RESTARTED))
        with suppress(OSError):  # without the mark, a resumed rebuild does all that again
            journal.mark(DONE)
        attempt = self.attempt
        rebuilt = Rebuilt(
            proposal=self.proposal, outcome=outcome, ran=ran, adopted=adopted, fetched=attempt.fetched,
            seconds=time.monotonic() - attempt.began, tasks=tasks, packages=done,
        )  # fmt: skip
        return replace(rebuilt, report=report.write(rebuilt, journal))

    def _apply(self, journal: Journal) -> Outcome:
        """Put the files in place."""
        attempt, preview = self.attempt, self.proposal.preview
        if attempt.options.in_place and attempt.service_policy is ServicePolicy.RESTART:
            journal.write(Mark(AFTER))
        spool = attempt.staging.spool
        source = SpooledContent(spool, attempt.options.target, preview.overrides)
        return apply(preview.plan, source, journal, helper=spool.worker, on_step=attempt.reporter.on_step)

    def _complete_packages(self, journal: Journal) -> InstalledPackages | None:
        if not self.installation:
            return None
        completed = self.installation.completed(journal.folder)
        choices.installed(self.attempt.context, self.attempt.host)
        return completed.done

    def _go_on_as_host(self, outcome: Outcome) -> bool:
        """Adopt the host's history if allowed, and remember what is owed. Returns whether it was adopted."""
        context, host, fetched = self.attempt.context, self.attempt.host, self.attempt.fetched
        if self.attempt.options.target:
            return False
        adopts = self.attempt.adopts
        if adopts:
            with _in_place():
                # First, as a kill may follow: the next push would record as gone what is not remembered as owed.
                partial.remember_outcome(context.state, fetched.snapshot, outcome)
                adoption.adopt(context, host, self.attempt.staging, fetched, context.master())
        else:
            partial.settle_owed(context, host, fetched, self.proposal.preview.plan, outcome)
        return adopts

    def _run_services(self, done: InstalledPackages | None) -> tuple[TaskRun, ...]:
        """Do what comes after the files, planned for the machine as it is now: the files may have brought units."""
        attempt, proposal, state = self.attempt, self.proposal, self.attempt.context.state
        if attempt.service_policy is not ServicePolicy.RESTART or attempt.options.target:
            return ()
        installed = tuple(name for name, _ in done.installed) if done else ()
        plan = partial_call(attempt.services, proposal.preview, again=proposal.again, installed=installed)
        planned = plan()
        tasks = services.run(planned, state.path, attempt.reporter.on_task, plan) if planned else ()
        if (owed := services.owed(tasks)) != state.read().services_owed:
            state.update(services_owed=owed)
        return tasks


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
    if ran and ran[-1].failure:
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
