"""Undo: remove what a rebuild made, put back what it displaced, reset what it altered.

It works from the journal alone, after success and after a kill, and can itself be killed and run again:
for each record it looks where things are now.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pacha.files import paths
from pacha.files.metadata import Kind, kind_of
from pacha.restore.backup_dir import enter_kept
from pacha.restore.cleanup import remove_empty_folders, remove_temporaries, restore_times, roots_of
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import discard, inode_of
from pacha.restore.inode import Changed, change_attributes, explain, open_inode
from pacha.restore.journal import Journal, history
from pacha.restore.journal_records import Altered, Created, Displaced, Keeping, Record
from pacha.restore.outcome import Outcome, OutcomeBuilder
from pacha.restore.ownership import Attributes
from pacha.restore.plan import Action
from pacha.text import escape


def undo(journal: Journal) -> Outcome:
    """Put back what was there before the rebuild of ``journal`` and before the killed ones it carried on.

    What somebody changed since is not lost: it stays, or moves to the kept folder, and is named. The
    Outcome's counts are of things removed (CREATE), put back (REPLACE) and altered back (METADATA).
    Raise OSError if the journal cannot be written.
    """
    outcome_builder, mask = OutcomeBuilder(), os.umask(0o077)
    try:
        for each in [journal, *continued(journal)]:
            with SafeDirectories(roots_of(each)) as descent:
                Undoing(each, descent, outcome_builder).run()
            each.mark("undone")
            if each is not journal:
                each.close()
    finally:
        os.umask(mask)
    return outcome_builder.outcome()


def prune(state: bytes, *, keep: int = 3) -> int:
    """Forget what rebuilds before the last ``keep`` finished ones displaced. Return how many went.

    Rehearsals are counted by themselves: however many there are, they push out no original of the machine's own.
    One that found nothing to change does not count, and goes when ``keep`` others have come after it. ``state`` is
    the state folder (bytes). A rebuild that waits to be carried on is never forgotten.
    """
    every = history(state)
    rehearsals = [journal for journal in every if journal.target]
    gone = [*_old([journal for journal in every if not journal.target], keep), *_old(rehearsals, keep)]
    for journal in gone:
        _forget(journal)
    for journal in every:
        journal.close()
    return len(gone)


def _old(every: list[Journal], keep: int) -> list[Journal]:
    """Those of ``every``, oldest first, that nobody needs any more."""
    idle = [journal.id for journal in every if journal.closed and not journal.changed][:-keep]
    finished = [journal.id for journal in every if "finished" in journal.marks and journal.changed]
    oldest = finished[-keep] if len(finished) >= keep else ""
    needed = {old for journal in every if journal.id >= oldest for old in _continues(journal)}
    settled = {old for journal in every if journal.closed for old in _continues(journal)}
    old = [journal for journal in every if journal.id in idle or (journal.id < oldest and journal.id not in needed)]
    return [journal for journal in old if journal.closed or journal.id in settled]


def _continues(journal: Journal) -> tuple[str, ...]:
    return journal.begun.continues if journal.begun is not None else ()


def continued(journal: Journal) -> list[Journal]:
    """The killed rebuilds that this one carried on, newest first, for the caller to close."""
    folder = os.path.dirname(journal.folder)
    found = []
    for identifier in sorted(_continues(journal), reverse=True):
        try:
            found.append(Journal(os.path.join(folder, os.fsencode(identifier))))
        except OSError:
            continue  # pruned
    return found


def _forget(journal: Journal) -> None:
    with SafeDirectories(roots_of(journal)) as descent:
        for record in journal.records:
            if isinstance(record, Keeping):
                try:
                    os.close(enter_kept(descent, record.path))  # it is ours
                    discard(paths.name(record.path), descent.enter(paths.parent(record.path)))
                except OSError:
                    continue  # gone, or not ours any more
    journal.remove()


ABSENT = (FileNotFoundError, NotADirectoryError)


@dataclass
class Undoing:
    """Takes back what ``journal`` tells, through ``descent``; what is to be looked at goes to ``outcome_builder``."""

    journal: Journal
    descent: SafeDirectories
    outcome_builder: OutcomeBuilder
    made: dict[bytes, Created] = field(default_factory=dict)
    #: path and time of what was made; where a time could not be set at first there are two, and either may hold
    known: set[tuple[bytes, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        made = [record for record in self.journal.records if isinstance(record, Created)]
        self.made = {record.path: record for record in made}
        self.known = {(record.path, record.mtime_ns) for record in made}

    def run(self) -> None:
        """Take all of it back."""
        self._each(self.new(), self._remove)
        self._each(self.displaced(), self._put_back)
        remove_temporaries(self.journal, self.descent)
        self._each(self.altered(), self._alter_back)
        remove_empty_folders(self.journal, self.descent)
        restore_times(self.journal, self.descent)

    def new(self) -> list[Created]:
        """What stands where nothing was, deepest first."""
        replaced = {record.path for record in self.displaced()}
        made = [made for made in self.made.values() if made.path not in replaced and not made.replaces]
        return made[::-1] if "written" in self.journal.marks else []  # before that nothing had its own name

    def displaced(self) -> list[Displaced]:
        """What was moved away, the last first: extras went deepest first."""
        return [record for record in self.journal.records if isinstance(record, Displaced)][::-1]

    def altered(self) -> list[Altered]:
        """What was given other metadata, the last first."""
        return [record for record in self.journal.records if isinstance(record, Altered)][::-1]

    def _each(self, records: Iterable[Record], action: Callable[..., None]) -> None:
        for record in records:
            try:
                action(record)
            except ABSENT:
                continue  # never came to be, or its directory is gone with it
            except OSError as error:
                path: bytes = record.path  # type: ignore[union-attr]
                self.outcome_builder.trouble(path, f"not put back: {explain(error)}")

    def _remove(self, made: Created) -> None:
        dir_fd, name = self.descent.enter(paths.parent(made.path)), paths.name(made.path)
        if not self.is_ours(made, os.stat(name, dir_fd=dir_fd, follow_symlinks=False)):
            self.outcome_builder.concern(made.path, "changed since the rebuild: left as it is")
            return
        if made.kind == Kind.DIRECTORY.value:
            os.rmdir(name, dir_fd=dir_fd)
        else:
            os.unlink(name, dir_fd=dir_fd)
        self.outcome_builder.counts[Action.CREATE] += 1

    def _put_back(self, record: Displaced) -> None:
        """Find the original, where it is now, and give it its name again."""
        kept_fd = self._enter_kept(record)
        try:
            dir_fd, name = self.descent.enter(paths.parent(record.path)), paths.name(record.path)
            source = self._find(record, dir_fd, kept_fd)
            if source is not None:
                self._rename_back(record, source, dir_fd, kept_fd)
                self.outcome_builder.counts[Action.REPLACE] += 1
            elif not has(record, name, dir_fd):
                raise Changed("what was there is no longer kept")
        finally:
            if kept_fd >= 0:
                os.close(kept_fd)

    def _enter_kept(self, record: Displaced) -> int:
        try:
            return enter_kept(self.descent, paths.parent(record.kept))
        except FileNotFoundError:
            return -1  # killed before there was one, or undone already

    def _find(self, record: Displaced, dir_fd: int, kept_fd: int) -> tuple[bytes, int] | None:
        """Return name and directory of the original, if it is not in its place."""
        kept, name = paths.name(record.kept), paths.name(record.path)
        if kept_fd >= 0 and has(record, kept, kept_fd):
            if not has(record, name, dir_fd):
                return kept, kept_fd
            os.unlink(kept, dir_fd=kept_fd)  # killed between its second name and the rename
        elif record.temporary is not None and has(record, record.temporary, dir_fd):
            return record.temporary, dir_fd
        return None

    def _rename_back(self, record: Displaced, source: tuple[bytes, int], dir_fd: int, kept_fd: int) -> None:
        name, made = paths.name(record.path), self.made.get(record.path)
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(source[0], name, src_dir_fd=source[1], dst_dir_fd=dir_fd)
            return
        if made is None or not self.is_ours(made, status):
            self._set_aside(record, dir_fd, kept_fd)
        elif made.kind == Kind.DIRECTORY.value:
            try:
                os.rmdir(name, dir_fd=dir_fd)
            except OSError:  # something came into it since
                self._set_aside(record, dir_fd, kept_fd)
        elif self._is_directory(*source):
            os.unlink(name, dir_fd=dir_fd)
        os.rename(source[0], name, src_dir_fd=source[1], dst_dir_fd=dir_fd)

    def _set_aside(self, record: Displaced, dir_fd: int, kept_fd: int) -> None:
        """What stands at the path is not what the rebuild made: keep it beside the originals."""
        if kept_fd < 0:
            raise Changed("it was changed since the rebuild, and there is no folder to keep that in")
        aside = paths.name(record.kept) + b"-after"
        os.rename(paths.name(record.path), aside, src_dir_fd=dir_fd, dst_dir_fd=kept_fd)
        place = escape(paths.parent(record.kept) + b"/" + aside)
        self.outcome_builder.concern(record.path, f"changed since the rebuild: that is kept as {place}")

    def is_ours(self, made: Created, status: os.stat_result) -> bool:
        """Whether this is still what the rebuild made."""
        kind = kind_of(status.st_mode)
        if kind.value != made.kind or kind is Kind.DIRECTORY:
            return kind.value == made.kind
        same_size = kind is not Kind.FILE or status.st_size == made.size
        return same_size and (made.path, status.st_mtime_ns) in self.known

    def _is_directory(self, name: bytes, dir_fd: int) -> bool:
        return kind_of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode) is Kind.DIRECTORY

    def _alter_back(self, record: Altered) -> None:
        with open_inode(paths.name(record.path), self.descent.enter(paths.parent(record.path))) as (reference, status):
            if inode_of(status) != record.old:
                self.outcome_builder.concern(record.path, "replaced since the rebuild: left as it is")
                return
            before = Attributes(record.uid, record.gid, record.mode, record.mtime_ns, record.xattrs)
            troubles = change_attributes(reference, status, before)
        if troubles:
            self.outcome_builder.trouble(record.path, *troubles)
        self.outcome_builder.counts[Action.METADATA] += 1


def has(record: Displaced, name: bytes, dir_fd: int) -> bool:
    """Whether ``name`` in ``dir_fd`` is what was displaced."""
    try:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except ABSENT:
        return False
    return inode_of(status) == record.old
