"""The second half of a rebuild: install what was written, and keep the originals."""

from __future__ import annotations

import os
from dataclasses import replace

from pacha.files import paths
from pacha.files.metadata import Kind, kind_of
from pacha.restore.backup_dir import BackupDirs, enter_kept
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import Inode, discard_new, inode_of, put, swap
from pacha.restore.inode import Changed, change_attributes, explain, open_inode, read_xattrs
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Altered, Displaced
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.ownership import PRIVATE
from pacha.restore.plan import Action, Plan, Step
from pacha.restore.write import Writer


class Installer:
    """Puts in place what a ``Writer`` wrote, changes metadata, moves extras aside."""

    def __init__(
        self, plan: Plan, journal: Journal, descent: SafeDirectories, writer: Writer, outcome_builder: OutcomeBuilder
    ) -> None:
        """Take the plan and the run's own parts."""
        self._plan, self._journal, self._descent = plan, journal, descent
        self._writer, self._tally = writer, outcome_builder
        self._kept = BackupDirs(plan.roots, journal, descent, writer)
        self._displaced: dict[bytes, tuple[Displaced, Kind]] = {}
        self._altered: dict[bytes, Inode] = {}

    def announce(self) -> None:
        """Look at every target once more and write down what will happen to it, on disk. Raise OSError."""
        for step in self._plan.steps:
            if step.action in (Action.REPLACE, Action.METADATA) and step.path not in self._tally.failed:
                self._announce(step)
        for step in self._extras():
            self._announce(step)
        self._journal.mark("written")

    def settle(self, step: Step) -> None:
        """Carry out one step other than an extra; a failure is reported and leaves the target as it was."""
        if step.path in self._writer.closing and step.path in self._altered:
            # Before anything new appears in it; a plain user has to be able to write there until the end.
            self.alter(step if os.geteuid() == 0 else replace(step, mode=step.mode | PRIVATE))
        try:
            if step.path in self._writer.temporaries:
                self._put(step, self._writer.temporaries[step.path])
            elif paths.parent(step.path) in self._tally.failed and step.action is not Action.EXTRA:
                self._tally.fail(step.path, "its directory could not be restored")
        except OSError as error:
            self._tally.fail(step.path, explain(error))
            self._discard(step.path)
        # A directory's metadata comes when nothing in it changes any more.
        if step.path in self._altered and step.found is not None and step.found.kind is not Kind.DIRECTORY:
            self.alter(step)

    def alter(self, step: Step) -> None:
        """Give a path that exists its metadata, by its descriptor, if it still is what was announced."""
        try:
            troubles = self._alter(step)
        except OSError as error:
            troubles = [explain(error)]
        if troubles:
            self._tally.trouble(step.path, *troubles)

    def _alter(self, step: Step) -> list[str]:
        with open_inode(paths.name(step.path), self._descent.enter(paths.parent(step.path))) as (reference, status):
            if inode_of(status) != self._altered.get(step.path):
                raise Changed("somebody else changed it meanwhile")
            linked = status.st_nlink > 1 and kind_of(status.st_mode) is not Kind.DIRECTORY
            if linked and (step.wanted is None or step.wanted.link_group is None):
                raise Changed("it has got another hard link meanwhile")
            return change_attributes(reference, status, step.attributes)

    def move_extras(self) -> None:
        """Move what is not wanted to the kept folder, deepest first; a directory only once it is empty."""
        for step in self._extras():
            try:
                if step.path in self._displaced:
                    self._move_extra(step.path)
            except OSError as error:
                self._tally.failed.add(step.path)
                self._tally.concern(step.path, f"not moved aside: {explain(error)}")

    def _extras(self) -> list[Step]:
        extras = (step for step in reversed(self._plan.steps) if step.action is Action.EXTRA)
        return [step for step in extras if step.path not in self._tally.failed] if self._plan.delete else []

    def _announce(self, step: Step) -> None:
        try:
            with open_inode(paths.name(step.path), self._descent.enter(paths.parent(step.path))) as (reference, status):
                if step.action is Action.METADATA:
                    if step.found is not None and (status.st_uid, status.st_gid) != (step.found.uid, step.found.gid):
                        raise Changed("somebody else changed it meanwhile")
                    self._announce_alter(step.path, reference, status)
                    return
            self._announce_displace(step.path, status)
        except FileNotFoundError:
            if step.action is Action.METADATA:
                self._tally.fail(step.path, "it vanished meanwhile")
        except OSError as error:
            # A directory whose metadata resists is still there for what lies in it.
            report = self._tally.trouble if step.action is Action.METADATA else self._tally.fail
            report(step.path, explain(error))

    def _announce_alter(self, path: bytes, reference: bytes, status: os.stat_result) -> None:
        kind = kind_of(status.st_mode)
        self._altered[path] = inode_of(status)
        # A directory's time may have been changed by this very run.
        mtime_ns = self._writer.touched.get(path, status.st_mtime_ns)
        self._journal.write(
            Altered(
                path, inode_of(status), status.st_uid, status.st_gid, status.st_mode & 0o7777, mtime_ns,
                () if kind is Kind.SYMLINK else read_xattrs(reference),
            )
        )  # fmt: skip

    def _announce_displace(self, path: bytes, status: os.stat_result) -> None:
        temporary = self._writer.temporaries.get(path)
        record = Displaced(path, temporary, self._kept.place(path), inode_of(status))
        self._journal.write(record)
        self._displaced[path] = (record, kind_of(status.st_mode))

    def _put(self, step: Step, temporary: bytes) -> None:
        if step.path in self._tally.failed:
            self._discard(step.path)
            return
        name, parent = paths.name(step.path), paths.parent(step.path)
        if step.path in self._writer.veiled:
            self._unveil(step, temporary)
        if step.path not in self._displaced:
            if put(name, temporary, self._descent.enter(parent)):
                self._descent.in_place(step.path)
                return
            self._announce(step)  # something came there since the plan was made: it is kept like all others
            self._journal.sync()
        if step.path not in self._displaced:
            raise Changed("somebody else changed it meanwhile")
        self._swap(step, temporary)

    def _unveil(self, step: Step, temporary: bytes) -> None:
        """Give what was written its whole mode, now that those who are to be kept out of its directory are."""
        if any(path in self._tally.troubled for path in paths.ancestors(step.path) if path in self._writer.closing):
            self._tally.trouble(step.path, "left to its owner alone: a directory above it could not be closed")
            return
        with open_inode(temporary, self._descent.enter(paths.parent(step.path))) as (reference, status):
            if troubles := change_attributes(reference, status, step.attributes):
                self._tally.trouble(step.path, *troubles)

    def _swap(self, step: Step, temporary: bytes) -> None:
        assert step.wanted is not None
        record, old_kind = self._displaced[step.path]
        kept_fd = enter_kept(self._descent, paths.parent(record.kept))
        try:
            swap(
                paths.name(step.path), temporary, self._descent.enter(paths.parent(step.path)),
                paths.name(record.kept), kept_fd,
                directories=Kind.DIRECTORY in (old_kind, step.wanted.kind),
            )  # fmt: skip
        finally:
            os.close(kept_fd)
        self._descent.in_place(step.path)

    def _move_extra(self, path: bytes) -> None:
        record, kind = self._displaced[path]
        kept_fd = enter_kept(self._descent, paths.parent(record.kept))
        try:
            dir_fd = self._descent.enter(paths.parent(path))
            if kind is not Kind.DIRECTORY or _empty(paths.name(path), dir_fd):
                os.rename(paths.name(path), paths.name(record.kept), src_dir_fd=dir_fd, dst_dir_fd=kept_fd)
        finally:
            os.close(kept_fd)

    def _discard(self, path: bytes) -> None:
        temporary = self._writer.temporaries[path]
        old = self._displaced[path][0].old if path in self._displaced else None
        try:
            discard_new(temporary, self._descent.enter(paths.parent(path)), old)
        except OSError:
            pass  # the journal knows it and the next run removes it


def _empty(name: bytes, dir_fd: int) -> bool:
    """Whether a directory holds nothing: not what was left out of the plan (excluded, a socket) either."""
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        return not os.listdir(fd)
    finally:
        os.close(fd)
