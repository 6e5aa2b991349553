"""The second half of a rebuild: install the new entries, and keep the originals."""

from __future__ import annotations

import os
from dataclasses import replace

from pacha.files import paths
from pacha.files.dirfd import DIRECTORY
from pacha.files.entry import Kind, kind_of
from pacha.restore.backup_dir import BackupDirs, open_backup_dir
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import Inode, discard_new, inode_of, put, swap
from pacha.restore.inode import Changed, change_attributes, explain, open_inode, read_xattrs
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Altered, Displaced
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.ownership import ACLS, PRIVATE
from pacha.restore.plan import Action, Plan, Step
from pacha.restore.relocate import displace
from pacha.restore.write import Writer


class Installer:
    """Installs what a ``Writer`` wrote, changes metadata, and moves extras aside."""

    def __init__(
        self, plan: Plan, journal: Journal, tree: SafeDirectories, writer: Writer, outcome_builder: OutcomeBuilder
    ) -> None:
        self._plan, self._journal, self._tree = plan, journal, tree
        self._writer, self._outcome = writer, outcome_builder
        self._kept = BackupDirs(plan.roots, journal, tree, writer)
        self._displaced: dict[bytes, tuple[Displaced, Kind]] = {}
        self._altered: dict[bytes, Inode] = {}

    def announce(self) -> None:
        """Check every target once more, and record in the journal what will happen to it, synced. Raises OSError."""
        for step in self._plan.steps:
            if step.action in (Action.REPLACE, Action.METADATA) and step.path not in self._outcome.failed:
                self._announce(step)
        for step in self._extras():
            self._announce(step)
        self._journal.mark("written")

    def announce_opening(self, path: bytes) -> None:
        """Journal the mode of a directory that is about to be opened (``Openings``). Raises OSError."""
        with open_inode(b".", self._tree.enter(path)) as (reference, status):
            self._announce_alter(path, reference, status)

    def install(self, step: Step) -> None:
        """Carry out one step, unless it is an extra. A failure is reported and leaves the target unchanged."""
        if step.path in self._writer.closing and step.path in self._altered:
            # Restrict it before a new name appears in it; a plain user needs write permission until the end.
            self.alter(step if os.geteuid() == 0 else replace(step, mode=step.mode | PRIVATE))
        try:
            if step.path in self._writer.temporaries:
                self._put(step, self._writer.temporaries[step.path])
            elif paths.parent(step.path) in self._outcome.failed and step.action is not Action.EXTRA:
                self._outcome.fail(step.path, "its directory could not be restored")
        except OSError as error:
            self._outcome.fail(step.path, explain(error))
            self._discard(step.path)
        # A directory's metadata is set last, when nothing in it changes any more.
        if step.path in self._altered and step.actual is not None and step.actual.kind is not Kind.DIRECTORY:
            self.alter(step)

    def alter(self, step: Step) -> None:
        """Set the metadata of an existing path, if it is still the inode that was announced."""
        try:
            troubles = self._alter(step)
        except OSError as error:
            troubles = [explain(error)]
        if troubles:
            self._outcome.trouble(step.path, *troubles)

    def _alter(self, step: Step) -> list[str]:
        with open_inode(paths.name(step.path), self._tree.enter(paths.parent(step.path))) as (reference, status):
            if inode_of(status) != self._altered.get(step.path):
                raise Changed("somebody else changed it meanwhile")
            linked = status.st_nlink > 1 and kind_of(status.st_mode) is not Kind.DIRECTORY
            if linked and (step.wanted is None or step.wanted.link_group is None):
                raise Changed("another hard link to it appeared meanwhile")
            return change_attributes(reference, status, step.attributes)

    def move_extras(self) -> None:
        """Move extras to a backup directory, deepest first; a directory only once it is empty."""
        for step in self._extras():
            try:
                if step.path in self._displaced:
                    self._move_extra(step.path)
            except OSError as error:
                self._outcome.failed.add(step.path)
                self._outcome.concern(step.path, f"not moved aside: {explain(error)}")

    def _extras(self) -> list[Step]:
        extras = (step for step in reversed(self._plan.steps) if step.action is Action.EXTRA)
        return [step for step in extras if step.path not in self._outcome.failed] if self._plan.delete else []

    def _announce(self, step: Step) -> None:
        try:
            with open_inode(paths.name(step.path), self._tree.enter(paths.parent(step.path))) as (reference, status):
                if step.action is Action.METADATA:
                    if step.actual is not None and (status.st_uid, status.st_gid) != (step.actual.uid, step.actual.gid):
                        raise Changed("somebody else changed it meanwhile")
                    self._announce_alter(step.path, reference, status)
                    return
            if step.action is not Action.EXTRA or self._moves(step.path):
                self._announce_displace(step.path, status)
        except FileNotFoundError:
            if step.action is Action.METADATA:
                self._outcome.fail(step.path, "it disappeared meanwhile")
        except OSError as error:
            # A directory whose metadata cannot be set can still hold its entries.
            report = self._outcome.trouble if step.action is Action.METADATA else self._outcome.fail
            report(step.path, explain(error))

    def _moves(self, path: bytes) -> bool:
        """Whether an extra is to move: all but a directory in which something stays."""
        try:
            names = _names(paths.name(path), self._tree.enter(paths.parent(path)))
        except OSError:
            return True  # no directory, or its move will say why not
        return all(paths.prefix(path) + name in self._displaced for name in names)

    def _announce_alter(self, path: bytes, reference: bytes, status: os.stat_result) -> None:
        self._altered[path] = inode_of(status)
        # The time from before this run, which may have changed a directory's time itself.
        self._journal.write(Altered.of(path, reference, status, self._writer.touched.get(path)))

    def _announce_displace(self, path: bytes, status: os.stat_result) -> None:
        temporary = self._writer.temporaries.get(path)
        record = Displaced(path, temporary, self._kept.place(path), inode_of(status))
        self._journal.write(record)
        self._displaced[path] = (record, kind_of(status.st_mode))

    def _put(self, step: Step, temporary: bytes) -> None:
        if step.path in self._outcome.failed:
            self._discard(step.path)
            return
        name, parent = paths.name(step.path), paths.parent(step.path)
        if step.path in self._writer.restricted:
            self._lift_restriction(step, temporary)
        if step.path not in self._displaced:
            if put(name, temporary, self._tree.enter(parent)):
                self._tree.in_place(step.path)
                return
            self._announce(step)  # a path created since the plan was made is kept like every original
            self._journal.sync()
        if step.path not in self._displaced:
            raise Changed("somebody else changed it meanwhile")
        self._swap(step, temporary)

    def _lift_restriction(self, step: Step, temporary: bytes) -> None:
        """Give a new entry its full mode, now that its directory has its final permissions."""
        above = [self._writer.closing[path] for path in paths.ancestors(step.path) if path in self._writer.closing]
        if any(each.path in self._outcome.troubled and not self._is_restricted(each) for each in above):
            self._outcome.trouble(step.path, "left to its owner alone: a directory above it could not be restricted")
            return
        with open_inode(temporary, self._tree.enter(paths.parent(step.path))) as (reference, status):
            if troubles := change_attributes(reference, status, step.attributes):
                self._outcome.trouble(step.path, *troubles)

    def _is_restricted(self, step: Step) -> bool:
        """Whether a directory keeps out everybody whom the plan keeps out, even if some attribute could not be set."""
        with open_inode(b".", self._tree.enter(step.path)) as (reference, status):
            acls = {pair for pair in read_xattrs(reference) if pair[0] in ACLS}
        owned = (status.st_uid, status.st_gid) == (step.uid, step.gid)
        return owned and not status.st_mode & 0o777 & ~(step.mode | PRIVATE) and acls <= set(step.xattrs)

    def _swap(self, step: Step, temporary: bytes) -> None:
        assert step.wanted is not None
        record, old_kind = self._displaced[step.path]
        with open_backup_dir(self._tree, paths.parent(record.kept)) as kept_fd:
            swap(
                paths.name(step.path), temporary, self._tree.enter(paths.parent(step.path)),
                paths.name(record.kept), kept_fd,
                directories=Kind.DIRECTORY in (old_kind, step.wanted.kind),
            )  # fmt: skip
        self._tree.in_place(step.path)

    def _move_extra(self, path: bytes) -> None:
        record, kind = self._displaced[path]
        with open_backup_dir(self._tree, paths.parent(record.kept)) as kept_fd:
            dir_fd = self._tree.enter(paths.parent(path))
            if kind is not Kind.DIRECTORY or not _names(paths.name(path), dir_fd):
                displace(paths.name(path), dir_fd, paths.name(record.kept), kept_fd)

    def _discard(self, path: bytes) -> None:
        temporary = self._writer.temporaries[path]
        old = self._displaced[path][0].old if path in self._displaced else None
        try:
            discard_new(temporary, self._tree.enter(paths.parent(path)), old)
        except OSError:
            pass  # the journal names it, and the next run removes it


def _names(name: bytes, dir_fd: int) -> list[bytes]:
    """What a directory holds, also what the plan left out (excluded entries, sockets)."""
    fd = os.open(name, DIRECTORY, dir_fd=dir_fd)
    try:
        return list(map(os.fsencode, os.listdir(fd)))
    finally:
        os.close(fd)
