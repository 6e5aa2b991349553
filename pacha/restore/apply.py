"""Carry out a plan: write everything beside its place, sync, install it, check permissions, sync.

Until all is written no target changes. From then on each path is wholly old or wholly new at every instant,
what was there is kept, and the journal says beforehand what will happen (rename(2), syncfs(2)).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from pacha.errors import PachaError
from pacha.restore.cleanup import remove_empty_folders, remove_temporaries, restore_times, roots_of
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import explain
from pacha.restore.install import Installer
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Root
from pacha.restore.outcome import Outcome, OutcomeBuilder
from pacha.restore.permissions import PermissionCheck
from pacha.restore.plan import Action, Plan, Step
from pacha.restore.write import ContentSource, Halt, Writer
from pacha.text import escape

__all__ = ["ContentSource", "Outcome", "apply"]

_WRITTEN = (Action.CREATE, Action.REPLACE)
_HINTS = {
    errno.ENOSPC: "Make room there, then rebuild again.",
    errno.EDQUOT: "Raise the quota, then rebuild again.",
}


def apply(
    plan: Plan, source: ContentSource, journal: Journal, *, on_step: Callable[[Step], None] = lambda step: None
) -> Outcome:
    """Carry out ``plan`` with content from ``source``, writing to a ``journal`` that was just begun.

    ``on_step`` is called once for each step when its longest part is over. What is wrong with single paths
    is in the Outcome and stops nothing. Raise PachaError when the disk is full or fails, DamagedError when
    ``source`` does: both before the first target changed, with everything written removed again.
    """
    mask = os.umask(0o077)
    try:
        with SafeDirectories(plan.roots) as descent:
            return _Run(plan, source, journal, descent).run(on_step)
    finally:
        os.umask(mask)


def sweep_killed(journal: Journal) -> None:
    """Remove the temporary names of the killed rebuilds that ``journal``'s resumes."""
    for identifier in journal.begun.continues if journal.begun is not None else ():
        try:
            old = Journal(os.path.join(os.path.dirname(journal.folder), os.fsencode(identifier)))
        except OSError:
            continue  # pruned
        with SafeDirectories(roots_of(old)) as descent:
            remove_temporaries(old, descent)
        old.close()


class _Run:
    def __init__(self, plan: Plan, source: ContentSource, journal: Journal, descent: SafeDirectories) -> None:
        self.plan, self.journal, self.descent = plan, journal, descent
        self.outcome_builder = OutcomeBuilder(owed={step.path for step in plan.steps if _owed(step)})
        self.writer = Writer(plan, source, journal, descent, self.outcome_builder)
        self.settler = Installer(plan, journal, descent, self.writer, self.outcome_builder)

    def run(self, on_step: Callable[[Step], None]) -> Outcome:
        sweep_killed(self.journal)
        self.journal.write(*(Root(path) for path in self.plan.roots))
        try:
            self._write(on_step)
            self._announce()
        except BaseException as problem:
            self._take_back()
            if isinstance(problem, Halt):
                raise _halted(problem) from problem
            raise
        self._settle(on_step)
        for step in self.plan.steps:
            self.outcome_builder.counts[Action.CANNOT if step.path in self.outcome_builder.failed else step.action] += 1
        return self.outcome_builder.outcome(self.plan.concerns)

    def _write(self, on_step: Callable[[Step], None]) -> None:
        self._journalled(self.writer.announce)
        for step in self.plan.steps:
            if step.action in _WRITTEN:
                self.writer.write(step)
                on_step(step)
        self.writer.finish_directories()
        self.writer.sync()

    def _announce(self) -> None:
        self._journalled(self.settler.announce)

    def _journalled(self, announce: Callable[[], None]) -> None:
        try:
            announce()
        except OSError as error:
            raise Halt(self.journal.folder, error) from error

    def _settle(self, on_step: Callable[[Step], None]) -> None:
        for step in self.plan.steps:
            self.settler.settle(step)
            if step.action not in _WRITTEN:
                on_step(step)
        self.settler.move_extras()
        PermissionCheck(
            self.plan, self.journal, self.descent, self.writer, self.settler, self.outcome_builder
        ).run()  # fmt: skip
        try:
            self.writer.sync()
            self.journal.mark("finished")
        except Halt as halt:
            raise _uncertain(halt.path, halt.error) from halt
        except OSError as error:
            raise _uncertain(self.journal.folder, error) from error

    def _take_back(self) -> None:
        """Nothing was changed yet: remove what was written beside the targets."""
        remove_temporaries(self.journal, self.descent)
        remove_empty_folders(self.journal, self.descent)
        restore_times(self.journal, self.descent)
        try:
            self.journal.mark("stopped")
        except OSError:
            pass  # then the next run sweeps once more and finds nothing


def _owed(step: Step) -> bool:
    if step.wanted is None or step.action is Action.KEPT_BY_RULE:
        return False
    return step.action is Action.CANNOT or not step.exact


def _halted(halt: Halt) -> PachaError:
    hint = _HINTS.get(halt.error.errno or 0, "See to the disk, then rebuild again.")
    return PachaError(
        "The rebuild stopped before anything was changed.",
        f"{escape(halt.path)}: {explain(halt.error)}",
        hint,
        code="rebuild-stopped-early",
    )


def _uncertain(path: bytes, error: OSError) -> PachaError:
    return PachaError(
        "Everything was put in place, but it may not have reached the disk.",
        f"{escape(path)}: {explain(error)}",
        "See to the disk, then rebuild again; pacha undo puts back what was there.",
        code="restored-not-durable",
    )
