"""Undo: remove what a rebuild created, put back what it displaced, reset what it altered.

It works from the journal alone, after a finished rebuild and after an interrupted one. It can itself be interrupted
and run again, because it checks the actual state for each record.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

from pacha.files import paths
from pacha.files.entry import Kind, kind_of
from pacha.restore.backup_dir import open_backup_dir
from pacha.restore.cleanup import remove_empty_folders, remove_temporaries, restore_times
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import Inode, discard, inode_of
from pacha.restore.inode import Changed, change_attributes, explain, is_closed_to_owner, open_inode, read_xattrs
from pacha.restore.journal import Journal, history
from pacha.restore.journal_records import Altered, Created, Displaced, Record, Touched
from pacha.restore.openings import Openings
from pacha.restore.outcome import Outcome, OutcomeBuilder
from pacha.restore.ownership import Attributes
from pacha.restore.plan import Action
from pacha.restore.projects import rename_in
from pacha.restore.relocate import relocate, rename
from pacha.system.presence import ABSENT
from pacha.text import escape


def undo(journal: Journal) -> Outcome:
    """Undo the rebuild of ``journal`` and the interrupted ones that it resumed.

    A path that was changed since is not lost: it stays, or moves to a backup directory, and is reported. The Outcome
    counts the paths removed (CREATE), put back (REPLACE) and altered back (METADATA). Raises OSError where the journal
    cannot be written.
    """
    outcome_builder, mask = OutcomeBuilder(), os.umask(0o077)
    try:
        for each in [journal, *resumed(journal)]:
            with SafeDirectories(each.roots) as tree:
                Undoing(each, tree, outcome_builder).run()
            each.mark("undone")
            if each is not journal:
                each.close()
    finally:
        os.umask(mask)
    return outcome_builder.outcome()


def prune(state: bytes, *, keep: int = 3) -> int:
    """Remove the journals and originals of rebuilds before the last ``keep`` finished ones. Return how many.

    Rehearsals are counted separately, so that they never push out the machine's own originals. A rebuild without
    changes does not count; it is removed after ``keep`` later ones like it. A rebuild that can still be resumed stays.
    ``state`` is the state folder (bytes). Raises OSError.
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
    """Return those of ``journals`` (oldest first) that are obsolete."""
    idle = [journal.id for journal in journals if journal.closed and not journal.changed][:-keep]
    finished = [journal.id for journal in journals if "finished" in journal.marks and journal.changed]
    oldest = finished[-keep] if len(finished) >= keep else ""
    needed = {resumed for journal in journals if journal.id >= oldest for resumed in journal.resumes}
    completed = {resumed for journal in journals if journal.closed for resumed in journal.resumes}
    obsolete = [j for j in journals if j.id in idle or (j.id < oldest and j.id not in needed)]
    return [journal for journal in obsolete if journal.closed or journal.id in completed]


def resumed(journal: Journal) -> list[Journal]:
    """Return the journals of the interrupted rebuilds that this one resumed, newest first; the caller closes them."""
    folder = os.path.dirname(journal.folder)
    journals = []
    for identifier in sorted(journal.resumes, reverse=True):
        try:
            journals.append(Journal(os.path.join(folder, os.fsencode(identifier))))
        except OSError:
            continue  # pruned
    return journals


def _forget(journal: Journal) -> None:
    with SafeDirectories(journal.roots) as tree:
        for path in journal.kept:
            try:
                with open_backup_dir(tree, path):
                    _discard(paths.parent(path), paths.name(path), tree)
            except OSError:
                continue  # missing, or another user's
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
    created: dict[bytes, Created] = field(default_factory=dict)
    #: path and time of each created entry; a path has two times, either of them right, if one could not be set at first
    known: set[tuple[bytes, int]] = field(default_factory=set)
    openings: Openings = field(init=False)

    def __post_init__(self) -> None:
        self.openings = Openings(self.tree)
        records = [record for record in self.journal.records if isinstance(record, Created)]
        self.created = {record.path: record for record in records}
        self.known = {(record.path, record.mtime_ns) for record in records}

    def run(self) -> None:
        """Undo everything that the journal records."""
        for path in [each.path for each in self.journal.records if isinstance(each, Touched)]:
            self._open(path)
        self._for_each(self.new(), self._remove)
        self._for_each(self.displaced(), self._put_back)
        remove_temporaries(self.journal, self.tree)
        remove_empty_folders(self.journal, self.tree)
        self.openings.close_all()
        self._for_each(self.altered(), self._alter_back)
        restore_times(self.journal, self.tree)

    def new(self) -> list[Created]:
        """Return the records of paths where nothing was before, deepest first."""
        replaced = {record.path for record in self.displaced()}
        records = [record for record in self.created.values() if record.path not in replaced and not record.replaces]
        return records[::-1] if "written" in self.journal.marks else []  # before that nothing had its own name

    def displaced(self) -> list[Displaced]:
        """Return the records of displaced originals, last first: extras were moved deepest first."""
        return [record for record in self.journal.records if isinstance(record, Displaced)][::-1]

    def altered(self) -> list[Altered]:
        """Return the records of altered paths, last first."""
        return [record for record in self.journal.records if isinstance(record, Altered)][::-1]

    def _for_each(self, records: Iterable[Record], action: Callable[..., None]) -> None:
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
        with ExitStack() as stack:
            try:
                kept_fd = stack.enter_context(open_backup_dir(self.tree, paths.parent(record.kept)))
            except FileNotFoundError:
                kept_fd = -1  # killed before it was created, or undone already
            dir_fd, name = self._enter_to_change(paths.parent(record.path)), paths.name(record.path)
            source = self._find(record, dir_fd, kept_fd)
            if source is not None:
                self._journal_mode(record.path, *source)
                self._rename_back(record, source, dir_fd, kept_fd)
                self.outcome_builder.counts[Action.REPLACE] += 1
            elif inode_at(name, dir_fd) != record.old:
                raise Changed("what was there is no longer kept")

    def _enter_to_change(self, path: bytes) -> int:
        """Enter a directory to change names in it, also one that was closed since the rebuild or was just put back."""
        self._open(path)
        return self.tree.enter(path)

    def _open(self, path: bytes) -> None:
        for closed in self.openings.closed([path]):
            is_new = closed in self.created and self.created[closed].kind == Kind.DIRECTORY.value
            if not is_new:  # a new one is removed in the end
                self._journal_mode(closed, b".", self.tree.enter(closed))
            self.openings.open(closed)

    def _journal_mode(self, path: bytes, name: bytes, dir_fd: int) -> None:
        """Journal the mode of a directory that is about to be opened, in case this undo is killed and run again."""
        with open_inode(name, dir_fd) as (reference, status):
            known = {(each.path, each.old) for each in self.altered()}
            if not is_closed_to_owner(status) or (path, inode_of(status)) in known:
                return
            self.journal.write(Altered.of(path, reference, status))
            self.journal.sync()

    def _find(self, record: Displaced, dir_fd: int, kept_fd: int) -> tuple[bytes, int] | None:
        """Return the name and the directory of the original; None where it is back in its place, or nowhere."""
        kept, name = paths.name(record.kept), paths.name(record.path)
        original = inode_at(kept, kept_fd) if kept_fd >= 0 else None
        if original is not None:
            # Its inode number may have changed: overlayfs copies a file that gets a second name.
            if inode_at(name, dir_fd) not in (record.old, original):
                return kept, kept_fd
            # Both names exist: the run was killed between link and rename, or during ``relocate``.
            try:
                os.unlink(kept, dir_fd=kept_fd)
            except IsADirectoryError:
                relocate(kept, kept_fd, name, dir_fd)
        elif record.temporary is not None and inode_at(record.temporary, dir_fd) == record.old:
            return record.temporary, dir_fd
        return None

    def _rename_back(self, record: Displaced, source: tuple[bytes, int], dir_fd: int, kept_fd: int) -> None:
        name, created = paths.name(record.path), self.created.get(record.path)
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
        """Keep a path that was changed since the rebuild, beside the originals."""
        if kept_fd < 0:
            raise Changed("it was changed since the rebuild, and there is no folder to keep that in")
        aside = paths.name(record.kept) + b"-after"
        rename(paths.name(record.path), dir_fd, aside, kept_fd)
        place = escape(paths.parent(record.kept) + b"/" + aside)
        self.outcome_builder.concern(record.path, f"changed since the rebuild: that is kept as {place}")

    def is_ours(self, created: Created, status: os.stat_result) -> bool:
        """Whether a path with this ``status`` is unchanged since the rebuild created it."""
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
            has_xattrs = not stat.S_ISLNK(status.st_mode) or (self.journal.started and self.journal.started.links)
            xattrs = record.xattrs if has_xattrs else read_xattrs(reference)
            before = Attributes(record.uid, record.gid, record.mode, record.mtime_ns, xattrs)
            troubles = change_attributes(reference, status, before)
        if troubles:
            self.outcome_builder.trouble(record.path, *troubles)
        self.outcome_builder.counts[Action.METADATA] += 1


def inode_at(name: bytes, dir_fd: int) -> Inode | None:
    """Return the inode ``name`` in ``dir_fd``; None where there is none. Raises OSError."""
    try:
        return inode_of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False))
    except ABSENT:
        return None
