"""The permission check: check every restored path once more, deepest first."""

from __future__ import annotations

import os
import stat

from pacha.files import paths
from pacha.files.entry import Kind, kind_of
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import Changed, change_attributes, explain, open_inode, stamp
from pacha.restore.install import Installer
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Altered
from pacha.restore.openings import Openings
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.plan import Action, Plan, Step
from pacha.restore.write import Writer

_CHECKED = frozenset({Action.CREATE, Action.REPLACE, Action.METADATA, Action.SAME})


class PermissionCheck:
    """Compares owner, group, mode and time of every path with the plan and corrects what differs."""

    def __init__(
        self,
        *,
        plan: Plan,
        journal: Journal,
        tree: SafeDirectories,
        writer: Writer,
        installer: Installer,
        openings: Openings,
        outcome_builder: OutcomeBuilder,
    ) -> None:
        self._plan, self._journal, self._tree = plan, journal, tree
        self._writer, self._installer, self._outcome = writer, installer, outcome_builder
        self._openings = openings

    def run(self) -> None:
        """Check all paths. Corrections and failures go to ``outcome_builder``."""
        for step in reversed(self._plan.steps):
            if step.action in _CHECKED and step.path not in self._outcome.failed:
                try:
                    self._check(step)
                except OSError as error:
                    self._outcome.trouble(step.path, f"not checked: {explain(error)}")

    def _check(self, step: Step) -> None:
        assert step.wanted is not None
        is_directory = step.wanted.kind is Kind.DIRECTORY
        if is_directory and step.action is Action.METADATA and step.path not in self._outcome.troubled:
            self._installer.alter(step)
            if step.path not in self._outcome.troubled:
                self._openings.forget(step.path)
        self._openings.close(step.path)
        dir_fd = self._tree.enter(paths.parent(step.path))
        status = os.stat(paths.name(step.path), dir_fd=dir_fd, follow_symlinks=False)
        permissions = _permissions_match(step, status)
        if permissions and status.st_mtime_ns == step.wanted.mtime_ns:
            return
        if step.path in self._outcome.troubled:
            return  # reported already
        if permissions and is_directory and step.path in self._writer.touched:
            self._restamp(step)  # the renames of this run changed its time
        else:
            self._correct(step)

    def _restamp(self, step: Step) -> None:
        assert step.wanted is not None
        with open_inode(paths.name(step.path), self._tree.enter(paths.parent(step.path))) as (reference, status):
            if kind_of(status.st_mode) is not Kind.DIRECTORY:
                raise Changed("somebody else changed it meanwhile")
            if troubles := stamp(reference, status, step.wanted.mtime_ns):
                self._outcome.trouble(step.path, *troubles)

    def _correct(self, step: Step) -> None:
        assert step.wanted is not None
        with open_inode(paths.name(step.path), self._tree.enter(paths.parent(step.path))) as (reference, status):
            kind = kind_of(status.st_mode)
            has_one_name = status.st_nlink == 1 or kind is Kind.DIRECTORY
            if kind is not step.wanted.kind or not (has_one_name or step.wanted.link_group is not None):
                raise Changed("somebody else changed it meanwhile")
            self._journal.write(Altered.of(step.path, reference, status))
            self._journal.sync()
            troubles = change_attributes(reference, status, step.attributes)
            now = os.stat(reference)
        lost = [] if _permissions_match(step, now) else ["owner or mode did not stay as set"]
        if now.st_mtime_ns != step.wanted.mtime_ns:
            lost.append("its time cannot be kept here")
        self._outcome.corrected.append(step.path)
        if troubles or lost:
            self._outcome.trouble(step.path, *(troubles or lost))


def _permissions_match(step: Step, status: os.stat_result) -> bool:
    owned = (status.st_uid, status.st_gid) == (step.uid, step.gid)
    return owned and (stat.S_ISLNK(status.st_mode) or stat.S_IMODE(status.st_mode) == step.mode)
