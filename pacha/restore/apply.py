"""Carry out a plan: write everything under temporary names, sync, install it, check permissions, sync.

No target changes before everything is written. From then on each path is completely old or completely new at every
instant, originals are kept, and the journal announces each change (rename(2), syncfs(2)).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from pacha.errors import PachaError
from pacha.restore.cleanup import remove_empty_folders, remove_temporaries, restore_times
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import explain
from pacha.restore.install import Installer
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Root
from pacha.restore.openings import Openings
from pacha.restore.outcome import Outcome, OutcomeBuilder
from pacha.restore.parallel import Helper, SharedWriting
from pacha.restore.permissions import PermissionCheck
from pacha.restore.plan import Action, Plan, Step
from pacha.restore.projects import set_projects
from pacha.restore.write import ContentSource, Halt, Writer
from pacha.text import escape

__all__ = ["ContentSource", "Outcome", "apply"]

_WRITTEN = (Action.CREATE, Action.REPLACE)
_HINTS = {
    errno.ENOSPC: "Make room there, then rebuild again.",
    errno.EDQUOT: "Raise the quota, then rebuild again.",
}


def apply(
    plan: Plan,
    source: ContentSource,
    journal: Journal,
    *,
    helper: Helper | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Outcome:
    """Carry out ``plan`` with content from ``source``, recorded in a new ``journal``.

    ``helper`` writes new files beside this process. ``on_step`` is called once for each step: when its content is
    written or, where it has none, when it is installed. Faults of single paths are in the Outcome and do not stop the
    rest. Raises PachaError where the disk is full or fails, and what ``source`` raises (DamagedError). Then no target
    has changed and everything written is removed again; but ``restored-not-durable``: all is installed, not all synced.
    """
    mask = os.umask(0o077)
    try:
        with SafeDirectories(plan.roots, plan.confined_to) as tree:
            return _Run(plan, source, journal, tree).run(helper, on_step)
    finally:
        os.umask(mask)


def remove_interrupted(journal: Journal) -> None:
    """Remove the temporary names of the interrupted rebuilds that the one of ``journal`` resumes."""
    for identifier in journal.resumes:
        try:
            old = Journal(os.path.join(os.path.dirname(journal.folder), os.fsencode(identifier)))
        except OSError:
            continue  # pruned
        with SafeDirectories(old.roots) as tree:
            remove_temporaries(old, tree)
        old.close()


class _Run:
    def __init__(self, plan: Plan, source: ContentSource, journal: Journal, tree: SafeDirectories) -> None:
        self.plan, self.journal, self.tree = plan, journal, tree
        wanted = (step for step in plan.steps if step.wanted is not None and step.action is not Action.KEPT_BY_RULE)
        owed = {step.path for step in wanted if step.action is Action.CANNOT or not step.exact}
        self.outcome_builder = OutcomeBuilder(owed=owed)
        self.writer = Writer(plan, source, journal, tree, self.outcome_builder)
        self.openings = Openings(tree)
        self.installer = Installer(plan, journal, tree, self.writer, self.outcome_builder)

    def run(self, helper: Helper | None, on_step: Callable[[Step], None]) -> Outcome:
        remove_interrupted(self.journal)
        self.journal.write(*(Root(path) for path in self.plan.roots))
        try:
            self._write(helper, on_step)
            self._journalled(self.installer.announce)
        except BaseException as problem:
            self._take_back()
            if isinstance(problem, Halt):
                raise _halted(problem) from problem
            raise
        self._install(on_step)
        for step in self.plan.steps:
            self.outcome_builder.counts[Action.CANNOT if step.path in self.outcome_builder.failed else step.action] += 1
        return self.outcome_builder.outcome(self.plan.concerns)

    def _write(self, helper: Helper | None, on_step: Callable[[Step], None]) -> None:
        self._journalled(self.writer.announce)
        self._journalled(self._open)
        steps = [step for step in self.plan.steps if step.action in _WRITTEN]
        first_new = len(self.outcome_builder.concerns)
        SharedWriting(self.plan, self.writer, helper, on_step).write(steps)
        self.outcome_builder.put_in_order(first_new)
        self.writer.finish_directories()
        self.writer.sync()

    def _open(self) -> None:
        closed = self.openings.closed(self.writer.touched)
        for path in closed:
            self.installer.announce_opening(path)
        if closed:
            self.journal.sync()
        for path in closed:
            self.openings.open(path)

    def _journalled(self, announce: Callable[[], None]) -> None:
        try:
            announce()
        except OSError as error:
            raise Halt(self.journal.folder, error) from error

    def _install(self, on_step: Callable[[Step], None]) -> None:
        for step in self.plan.steps:
            self.installer.install(step)
            if step.action not in _WRITTEN:
                on_step(step)
        self.installer.move_extras()
        PermissionCheck(
            plan=self.plan, journal=self.journal, tree=self.tree, writer=self.writer, installer=self.installer,
            openings=self.openings, outcome_builder=self.outcome_builder,
        ).run()  # fmt: skip
        self.openings.close_all()
        set_projects(self.plan, self.tree, self.outcome_builder)
        try:
            self.writer.sync()
            self.journal.mark("finished")
        except Halt as halt:
            raise _uncertain(halt.path, halt.error) from halt
        except OSError as error:
            raise _uncertain(self.journal.folder, error) from error

    def _take_back(self) -> None:
        """Remove the temporary names; no target has changed yet."""
        remove_temporaries(self.journal, self.tree)
        remove_empty_folders(self.journal, self.tree)
        self.openings.close_all()
        restore_times(self.journal, self.tree)
        try:
            self.journal.mark("stopped")
        except OSError:
            pass  # then the next run cleans up once more


def _halted(halt: Halt) -> PachaError:
    hint = _HINTS.get(halt.error.errno or 0, "Check the disk, then rebuild again.")
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
        "Check the disk, then rebuild again; pacha undo puts back what was there.",
        code="restored-not-durable",
    )
