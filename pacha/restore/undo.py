"""Undo: what a rebuild made goes, what it displaced comes back, what it altered is as it was.

It works from the journal alone, after success and after a kill, and can itself be killed and run again:
for each record it looks where things are now.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pacha.files.metadata import Kind, kind_of
from pacha.files.names import shown
from pacha.restore.descend import Descent, name_of, parent_of
from pacha.restore.inode import Changed, explain, held, redress
from pacha.restore.journal import Altered, Displaced, Journal, Keeping, Made, Record, history
from pacha.restore.kept import enter_kept
from pacha.restore.leftovers import remove_empty_folders, restore_times, roots_of, sweep
from pacha.restore.ownership import Attributes
from pacha.restore.place import discard, inode_of
from pacha.restore.plan import Action, Outcome
from pacha.restore.tally import Tally

_ABSENT = (FileNotFoundError, NotADirectoryError)


def undo(journal: Journal) -> Outcome:
    """Put back what was there before the rebuild of ``journal`` and before the killed ones it carried on.

    What somebody changed since is not lost: it stays, or moves to the kept folder, and is named. The
    Outcome's counts are of things removed (CREATE), put back (REPLACE) and altered back (METADATA).
    Raise OSError if the journal cannot be written.
    """
    tally, mask = Tally(), os.umask(0o077)
    try:
        for each in [journal, *_continued(journal)]:
            with Descent(roots_of(each)) as descent:
                _Undoing(each, descent, tally).run()
            each.mark("undone")
            if each is not journal:
                each.close()
    finally:
        os.umask(mask)
    return tally.outcome()


def prune(state: bytes, *, keep: int = 3) -> int:
    """Forget what rebuilds before the last ``keep`` finished ones displaced. Return how many went.

    ``state`` is the state folder (bytes). A rebuild that waits to be carried on is never forgotten.
    """
    every = history(state)
    finished = [journal.id for journal in every if "finished" in journal.marks]
    oldest = finished[-keep] if len(finished) >= keep else ""
    needed = {old for journal in every if journal.id >= oldest for old in _continues(journal)}
    settled = {old for journal in every if journal.closed for old in _continues(journal)}
    gone = 0
    for journal in every:
        old = journal.id < oldest and journal.id not in needed
        if old and (journal.closed or journal.id in settled):
            _forget(journal)
            gone += 1
        journal.close()
    return gone


@dataclass
class _Undoing:
    journal: Journal
    descent: Descent
    tally: Tally

    def run(self) -> None:
        records = list(self.journal.records)
        displaced = [record for record in records if isinstance(record, Displaced)]
        replaced = {record.path for record in displaced}
        self.made = {record.path: record for record in records if isinstance(record, Made)}
        # Where a time could not be set at first there are two records, and either may hold.
        self.known = {(made.path, made.mtime_ns) for made in records if isinstance(made, Made)}
        made = [made for made in self.made.values() if made.path not in replaced and not made.replaces]
        if "written" not in self.journal.marks:
            made = []  # nothing had its own name yet
        # Deepest first: made is in the plan's order, and extras were displaced deepest first.
        self._each(reversed(made), self._remove)
        self._each(reversed(displaced), self._put_back)
        sweep(self.journal, self.descent)
        altered = [record for record in records if isinstance(record, Altered)]
        self._each(reversed(altered), self._alter_back)
        remove_empty_folders(self.journal, self.descent)
        restore_times(self.journal, self.descent)

    def _each(self, records: Iterable[Record], action: Callable[..., None]) -> None:
        for record in records:
            try:
                action(record)
            except _ABSENT:
                continue  # never came to be, or its directory is gone with it
            except OSError as error:
                path: bytes = record.path  # type: ignore[union-attr]
                self.tally.trouble(path, f"not put back: {explain(error)}")

    def _remove(self, made: Made) -> None:
        dir_fd, name = self.descent.enter(parent_of(made.path)), name_of(made.path)
        if not self._is(made, os.stat(name, dir_fd=dir_fd, follow_symlinks=False)):
            self.tally.concern(made.path, "changed since the rebuild: left as it is")
            return
        if made.kind == Kind.DIRECTORY.value:
            os.rmdir(name, dir_fd=dir_fd)
        else:
            os.unlink(name, dir_fd=dir_fd)
        self.tally.counts[Action.CREATE] += 1

    def _put_back(self, record: Displaced) -> None:
        """Find the original, where it is now, and give it its name again."""
        kept_fd = self._enter_kept(record)
        try:
            dir_fd, name = self.descent.enter(parent_of(record.path)), name_of(record.path)
            source = self._find(record, dir_fd, kept_fd)
            if source is not None:
                self._rename_back(record, source, dir_fd, kept_fd)
                self.tally.counts[Action.REPLACE] += 1
            elif not _has(record, name, dir_fd):
                raise Changed("what was there is no longer kept")
        finally:
            if kept_fd >= 0:
                os.close(kept_fd)

    def _enter_kept(self, record: Displaced) -> int:
        try:
            return enter_kept(self.descent, parent_of(record.kept))
        except FileNotFoundError:
            return -1  # killed before there was one, or undone already

    def _find(self, record: Displaced, dir_fd: int, kept_fd: int) -> tuple[bytes, int] | None:
        """Return name and directory of the original, if it is not in its place."""
        kept, name = name_of(record.kept), name_of(record.path)
        if kept_fd >= 0 and _has(record, kept, kept_fd):
            if not _has(record, name, dir_fd):
                return kept, kept_fd
            os.unlink(kept, dir_fd=kept_fd)  # killed between its second name and the rename
        elif record.temporary is not None and _has(record, record.temporary, dir_fd):
            return record.temporary, dir_fd
        return None

    def _rename_back(self, record: Displaced, source: tuple[bytes, int], dir_fd: int, kept_fd: int) -> None:
        name, made = name_of(record.path), self.made.get(record.path)
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(source[0], name, src_dir_fd=source[1], dst_dir_fd=dir_fd)
            return
        if made is None or not self._is(made, status):
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
        aside = name_of(record.kept) + b"-after"
        os.rename(name_of(record.path), aside, src_dir_fd=dir_fd, dst_dir_fd=kept_fd)
        place = shown(parent_of(record.kept) + b"/" + aside)
        self.tally.concern(record.path, f"changed since the rebuild: that is kept as {place}")

    def _is(self, made: Made, status: os.stat_result) -> bool:
        """Whether this is still what the rebuild made."""
        kind = kind_of(status.st_mode)
        if kind.value != made.kind or kind is Kind.DIRECTORY:
            return kind.value == made.kind
        same_size = kind is not Kind.FILE or status.st_size == made.size
        return same_size and (made.path, status.st_mtime_ns) in self.known

    def _is_directory(self, name: bytes, dir_fd: int) -> bool:
        return kind_of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode) is Kind.DIRECTORY

    def _alter_back(self, record: Altered) -> None:
        with held(name_of(record.path), self.descent.enter(parent_of(record.path))) as (reference, status):
            if inode_of(status) != record.old:
                self.tally.concern(record.path, "replaced since the rebuild: left as it is")
                return
            before = Attributes(record.uid, record.gid, record.mode, record.mtime_ns, record.xattrs)
            troubles = redress(reference, status, before)
        if troubles:
            self.tally.trouble(record.path, *troubles)
        self.tally.counts[Action.METADATA] += 1


def _has(record: Displaced, name: bytes, dir_fd: int) -> bool:
    try:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except _ABSENT:
        return False
    return inode_of(status) == record.old


def _continues(journal: Journal) -> tuple[str, ...]:
    return journal.begun.continues if journal.begun is not None else ()


def _continued(journal: Journal) -> list[Journal]:
    """Open the killed rebuilds that this one carried on, newest first."""
    folder = os.path.dirname(journal.folder)
    found = []
    for identifier in sorted(_continues(journal), reverse=True):
        try:
            found.append(Journal(os.path.join(folder, os.fsencode(identifier))))
        except OSError:
            continue  # pruned
    return found


def _forget(journal: Journal) -> None:
    with Descent(roots_of(journal)) as descent:
        for record in journal.records:
            if isinstance(record, Keeping):
                try:
                    os.close(enter_kept(descent, record.path))  # it is ours
                    discard(name_of(record.path), descent.enter(parent_of(record.path)))
                except OSError:
                    continue  # gone, or not ours any more
    journal.remove()
