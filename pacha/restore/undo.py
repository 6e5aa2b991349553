"""Undo: remove what a rebuild created, put back what it displaced, reset what it altered.

It works from the journal alone, after a finished and after an interrupted rebuild. It can be interrupted and run again,
for it checks the actual state for each record.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pacha.files import paths
from pacha.files.entry import Kind, kind_of
from pacha.restore.backup_dir import enter_kept
from pacha.restore.cleanup import remove_empty_folders, remove_temporaries, restore_times, roots_of
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import Inode, discard, inode_of
from pacha.restore.inode import Changed, change_attributes, explain, is_closed_to_owner, open_inode, read_xattrs
from pacha.restore.journal import Journal, history
from pacha.restore.journal_records import Altered, Created, Displaced, Keeping, Record, Touched
from pacha.restore.openings import Openings
from pacha.restore.outcome import Outcome, OutcomeBuilder
from pacha.restore.ownership import Attributes
from pacha.restore.plan import Action
from pacha.restore.projects import rename_in
from pacha.restore.relocate import relocate, rename
from pacha.system.presence import ABSENT
from pacha.text import escape


def undo(journal: Journal) -> Outcome:
    """Put back the originals from before the rebuild of ``journal`` and the interrupted ones that it resumed.

    Later changes are not lost: such a path stays, or moves to a backup directory, and is reported. The Outcome counts
    paths removed (CREATE), put back (REPLACE) and altered back (METADATA). Raises OSError where the journal cannot be
    written.
    """
    outcome_builder, mask = OutcomeBuilder(), os.umask(0o077)
    try:
        for each in [journal, *resumed(journal)]:
            with SafeDirectories(roots_of(each)) as tree:
                Undoing(each, tree, outcome_builder).run()
            each.mark("undone")
            if each is not journal:
                each.close()
    finally:
        os.umask(mask)
    return outcome_builder.outcome()


def prune(state: bytes, *, keep: int = 3) -> int:
    """Remove the originals of rebuilds before the last ``keep`` finished ones. Return how many rebuilds that were.

    Rehearsals are counted separately, so that they never displace the machine's own originals. A rebuild without
    changes does not count, and is removed after ``keep`` later ones. One that can still be resumed stays. ``state`` is
    the state folder (bytes).
    """
    journals = history(state)
    rehearsals = [journal for journal in journals if journal.target]
    obsolete = [*_old([journal for journal in journals if not journal.target], keep), *_old(rehearsals, keep)]
    for journal in obsolete:
        _forget(journal)
    for journal in journals:
        journal.close()
    return len(obsolete)


def _old(journals: list[Journal], keep: int) -> list[Journal]:
    """Those of ``journals``, oldest first, that are obsolete."""
    idle = [journal.id for journal in journals if journal.closed and not journal.changed][:-keep]
    finished = [journal.id for journal in journals if "finished" in journal.marks and journal.changed]
    oldest = finished[-keep] if len(finished) >= keep else ""
    needed = {resumed for journal in journals if journal.id >= oldest for resumed in journal.resumes}
    completed = {resumed for journal in journals if journal.closed for resumed in journal.resumes}
    obsolete = [j for j in journals if j.id in idle or (j.id < oldest and j.id not in needed)]
    return [journal for journal in obsolete if journal.closed or journal.id in completed]


def resumed(journal: Journal) -> list[Journal]:
    """The interrupted rebuilds that this one resumed, newest first; the caller closes them."""
    folder = os.path.dirname(journal.folder)
    journals = []
    for identifier in sorted(journal.resumes, reverse=True):
        try:
            journals.append(Journal(os.path.join(folder, os.fsencode(identifier))))
        except OSError:
            continue  # pruned
    return journals


def _forget(journal: Journal) -> None:
    with SafeDirectories(roots_of(journal)) as tree:
        for record in journal.records:
            if isinstance(record, Keeping):
                try:
                    os.close(enter_kept(tree, record.path))  # it is ours
                    _discard(paths.parent(record.path), paths.name(record.path), tree)
                except OSError:
                    continue  # missing, or not ours any more
    journal.remove()


def _discard(directory: bytes, name: bytes, tree: SafeDirectories) -> None:
    openings = Openings(tree)
    closed = openings.closed([directory])
    for path in closed:
        openings.open(path)
    try:
        discard(name, tree.enter(directory))
    finally:
        openings.close_all()


@dataclass
class Undoing:
    """Undoes what ``journal`` records, through ``tree``; concerns go to ``outcome_builder``."""

    journal: Journal
    tree: SafeDirectories
    outcome_builder: OutcomeBuilder
    made: dict[bytes, Created] = field(default_factory=dict)
    #: path and time of what was created; two where a time could not be set at first, and either may be right
    known: set[tuple[bytes, int]] = field(default_factory=set)
    openings: Openings = field(init=False)

    def __post_init__(self) -> None:
        self.openings = Openings(self.tree)
        records = [record for record in self.journal.records if isinstance(record, Created)]
        self.made = {record.path: record for record in records}
        self.known = {(record.path, record.mtime_ns) for record in records}

    def run(self) -> None:
        """Undo all of it."""
        for path in [each.path for each in self.journal.records if isinstance(each, Touched)]:
            self._open(path)
        self._each(self.new(), self._remove)
        self._each(self.displaced(), self._put_back)
        remove_temporaries(self.journal, self.tree)
        remove_empty_folders(self.journal, self.tree)
        self.openings.close_all()
        self._each(self.altered(), self._alter_back)
        restore_times(self.journal, self.tree)

    def new(self) -> list[Created]:
        """The new paths where nothing was before, deepest first."""
        replaced = {record.path for record in self.displaced()}
        records = [records for records in self.made.values() if records.path not in replaced and not records.replaces]
        return records[::-1] if "written" in self.journal.marks else []  # before that nothing had its own name

    def displaced(self) -> list[Displaced]:
        """The displaced originals, the last first: extras were moved deepest first."""
        return [record for record in self.journal.records if isinstance(record, Displaced)][::-1]

    def altered(self) -> list[Altered]:
        """The altered paths, the last first."""
        return [record for record in self.journal.records if isinstance(record, Altered)][::-1]

    def _each(self, records: Iterable[Record], action: Callable[..., None]) -> None:
        for record in records:
            try:
                action(record)
            except ABSENT:
                continue  # never created, or removed with its directory
            except OSError as error:
                path: bytes = record.path  # type: ignore[union-attr]
                self.outcome_builder.trouble(path, f"not put back: {explain(error)}")

    def _remove(self, record: Created) -> None:
        dir_fd, name = self._enter_to_change(paths.parent(record.path)), paths.name(record.path)
        if not self.is_ours(record, os.stat(name, dir_fd=dir_fd, follow_symlinks=False)):
            self.outcome_builder.concern(record.path, "changed since the rebuild: left as it is")
            return
        if record.kind == Kind.DIRECTORY.value:
            os.rmdir(name, dir_fd=dir_fd)
        else:
            os.unlink(name, dir_fd=dir_fd)
        self.outcome_builder.counts[Action.CREATE] += 1

    def _put_back(self, record: Displaced) -> None:
        """Find the original and rename it back."""
        kept_fd = self._enter_kept(record)
        try:
            dir_fd, name = self._enter_to_change(paths.parent(record.path)), paths.name(record.path)
            source = self._find(record, dir_fd, kept_fd)
            if source is not None:
                self._note(record.path, *source)
                self._rename_back(record, source, dir_fd, kept_fd)
                self.outcome_builder.counts[Action.REPLACE] += 1
            elif inode_at(name, dir_fd) != record.old:
                raise Changed("what was there is no longer kept")
        finally:
            if kept_fd >= 0:
                os.close(kept_fd)

    def _enter_to_change(self, path: bytes) -> int:
        """Enter a directory in which a name goes: also one that is closed since the rebuild, or came back just now."""
        self._open(path)
        return self.tree.enter(path)

    def _open(self, path: bytes) -> None:
        for closed in self.openings.closed([path]):
            if closed not in self.made or self.made[closed].kind != Kind.DIRECTORY.value:  # that one goes
                self._note(closed, b".", self.tree.enter(closed))
            self.openings.open(closed)

    def _note(self, path: bytes, name: bytes, dir_fd: int) -> None:
        """Journal the mode of what is about to be opened at ``path``, for a second undo after a killed one."""
        with open_inode(name, dir_fd) as (reference, status):
            known = {(each.path, each.old) for each in self.altered()}
            if not is_closed_to_owner(status) or (path, inode_of(status)) in known:
                return
            owned = {"uid": status.st_uid, "gid": status.st_gid, "mode": stat.S_IMODE(status.st_mode)}
            times = {"mtime_ns": status.st_mtime_ns, **owned}
            self.journal.write(Altered(path=path, old=inode_of(status), xattrs=read_xattrs(reference), **times))
            self.journal.sync()

    def _enter_kept(self, record: Displaced) -> int:
        try:
            return enter_kept(self.tree, paths.parent(record.kept))
        except FileNotFoundError:
            return -1  # killed before it was created, or undone already

    def _find(self, record: Displaced, dir_fd: int, kept_fd: int) -> tuple[bytes, int] | None:
        """Return name and directory of the original; None where it is back in its place."""
        kept, name = paths.name(record.kept), paths.name(record.path)
        original = inode_at(kept, kept_fd) if kept_fd >= 0 else None
        if original is not None:
            # Its number may not be the old one: overlayfs copies a file that gets a second name.
            if inode_at(name, dir_fd) not in (record.old, original):
                return kept, kept_fd
            self._finish(kept, kept_fd, name, dir_fd)
        elif record.temporary is not None and inode_at(record.temporary, dir_fd) == record.old:
            return record.temporary, dir_fd
        return None

    def _finish(self, kept: bytes, kept_fd: int, name: bytes, dir_fd: int) -> None:
        """Leave ``name`` alone of two: the run was killed between link and rename, or in the midst of ``relocate``."""
        try:
            os.unlink(kept, dir_fd=kept_fd)
        except IsADirectoryError:
            relocate(kept, kept_fd, name, dir_fd)

    def _rename_back(self, record: Displaced, source: tuple[bytes, int], dir_fd: int, kept_fd: int) -> None:
        name, created = paths.name(record.path), self.made.get(record.path)
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            rename_in(source[0], source[1], name, dir_fd)
            return
        if created is None or not self.is_ours(created, status):
            self._set_aside(record, dir_fd, kept_fd)
        elif created.kind == Kind.DIRECTORY.value:
            try:
                os.rmdir(name, dir_fd=dir_fd)
            except OSError:  # no longer empty
                self._set_aside(record, dir_fd, kept_fd)
        elif kind_of(os.stat(source[0], dir_fd=source[1], follow_symlinks=False).st_mode) is Kind.DIRECTORY:
            os.unlink(name, dir_fd=dir_fd)
        rename_in(source[0], source[1], name, dir_fd)

    def _set_aside(self, record: Displaced, dir_fd: int, kept_fd: int) -> None:
        """Keep what was changed since the rebuild beside the originals."""
        if kept_fd < 0:
            raise Changed("it was changed since the rebuild, and there is no folder to keep that in")
        aside = paths.name(record.kept) + b"-after"
        rename(paths.name(record.path), dir_fd, aside, kept_fd)
        place = escape(paths.parent(record.kept) + b"/" + aside)
        self.outcome_builder.concern(record.path, f"changed since the rebuild: that is kept as {place}")

    def is_ours(self, created: Created, status: os.stat_result) -> bool:
        """Whether the path is unchanged since the rebuild created it."""
        kind = kind_of(status.st_mode)
        if kind.value != created.kind or kind is Kind.DIRECTORY:
            return kind.value == created.kind
        same_size = kind is not Kind.FILE or status.st_size == created.size
        return same_size and (created.path, status.st_mtime_ns) in self.known

    def _alter_back(self, record: Altered) -> None:
        with open_inode(paths.name(record.path), self.tree.enter(paths.parent(record.path))) as (reference, status):
            if inode_of(status) != record.old:
                self.outcome_builder.concern(record.path, "replaced since the rebuild: left as it is")
                return
            before = Attributes(record.uid, record.gid, record.mode, record.mtime_ns, record.xattrs)
            troubles = change_attributes(reference, status, before)
        if troubles:
            self.outcome_builder.trouble(record.path, *troubles)
        self.outcome_builder.counts[Action.METADATA] += 1


def inode_at(name: bytes, dir_fd: int) -> Inode | None:
    """The inode ``name`` in ``dir_fd``; None where there is none. Raises OSError."""
    try:
        return inode_of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
    except ABSENT:
        return None
