"""The journal of a rebuild: each change is recorded, with the original state, before it is made.

``<state>/rebuilds/<ID>/journal`` (0600, in a 0700 folder) holds one JSON array on each line: the record's word and its
fields. Paths are bytes, written as UTF-8 with surrogate escapes. A line that a power failure left incomplete is
ignored: the journal is synced before each phase, so the change that it announces was not made.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from pacha.errors import PachaError
from pacha.files import paths
from pacha.restore.entries import discard
from pacha.restore.journal_records import (
    WORD_OF,
    Keeping,
    Mark,
    Part,
    Record,
    Root,
    Started,
    Target,
    Touched,
    decode,
    encode,
)
from pacha.system.presence import ABSENT
from pacha.system.syscalls import sync_file, write_all
from pacha.text import escape

_FOLDER = b"rebuilds"
_NAME = b"journal"
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


#: Marks: what follows the files (hooks, for one) has begun; it has ended; units were restarted.
AFTER, DONE, RESTARTED = "something after the files", "all done", "restarted"
_SETTLING = frozenset({"finished", "undone"})
_CLOSED = _SETTLING | {"stopped"}
_AT_ONCE = 5000  #: records that are written at once; a rebuild may have a million
_FRAME = (Started, Root, Part, Target, Mark)
_FRAME_LINES = tuple(f'["{WORD_OF[kind]}",'.encode() for kind in _FRAME)
_TOUCHED_LINE = f'["{WORD_OF[Touched]}",'.encode()


class Journal:
    """One rebuild's journal, open for appending. ``folder`` (bytes) is its own folder, below the state folder."""

    def __init__(self, folder: bytes) -> None:
        """Open the journal in an existing ``folder`` and read its records. Raises OSError."""
        self.folder = folder
        self.id = os.fsdecode(os.path.basename(folder))
        self.file = os.path.join(folder, _NAME)
        self._fd = os.open(self.file, _APPEND)
        self._records: list[Record] | None = None
        #: the records that concern the whole rebuild, and whether there are others, which may be a million
        self._frame, self._changes = list[Record](), False
        self._pending: list[Record] = []
        line = b"\n"
        for line in self._lines():
            if line.startswith(_FRAME_LINES):
                self._frame += _records([line])
            elif not line.startswith(_TOUCHED_LINE):
                self._changes = True
        self._before = "" if line.endswith(b"\n") else "\n"  #: ends an incomplete last line

    @classmethod
    def begin(
        cls, state: bytes, host: str = "", parts: Sequence[bytes] = (), target: bytes = b"", tip: str = ""
    ) -> Journal:
        """Create a new journal below the state folder ``state`` (bytes), durably. Raises PachaError.

        A rebuild of ``parts`` (none: of everything) resumes the interrupted ones of the same parts or fewer that have
        the same ``target`` (b"": the original places). ``tip``: the node of the snapshot.
        """
        now = time.time_ns()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 10**9))
        # Names sort by time, and nobody else can guess one beforehand.
        identifier = f"{stamp}.{now % 10**9:09d}Z-{secrets.token_hex(4)}"
        folder = os.path.join(state, _FOLDER, os.fsencode(identifier))
        try:
            resumes = tuple(start.id for start in interrupted(state, parts, target))
            _make_folder(folder)
            journal = cls(folder)
            below = [Target(target)] if target else []
            begun = Started(id=identifier, at=now // 10**9, host=host, resumes=resumes, tip=tip, links=True)
            journal.write(begun, *below, *map(Part, parts))
            journal.sync()
        except OSError as error:
            raise PachaError(
                "The journal of the rebuild cannot be written.", f"{escape(folder)}: {error.strerror}",
                "Nothing was changed; make room or fix the state folder, then rebuild again.",
                code="journal-not-written",
            ) from error  # fmt: skip
        return journal

    @property
    def state(self) -> bytes:
        """The state folder (bytes) of this journal."""
        return os.path.dirname(os.path.dirname(self.folder))

    @property
    def started(self) -> Started | None:
        """The first record; None where the run was killed before it wrote one."""
        first = next(iter(self._frame), None)
        return first if isinstance(first, Started) else None

    @property
    def resumes(self) -> tuple[str, ...]:
        """The IDs of the interrupted rebuilds that this one resumes."""
        return self.started.resumes if self.started is not None else ()

    @property
    def target(self) -> bytes:
        """The target of a rehearsal; b"" for a rebuild to the original places."""
        return next((record.path for record in self._frame if isinstance(record, Target)), b"")

    @property
    def records(self) -> list[Record]:
        """All records; those in the file are decoded at first use."""
        if self._records is None:
            self._records = list(_records(self._lines()))
        return self._records

    @property
    def marks(self) -> frozenset[str]:
        """The words of all marks so far."""
        return frozenset(record.word for record in self._frame if isinstance(record, Mark))

    @property
    def chosen(self) -> frozenset[bytes]:
        """The paths to which a person limited this rebuild; none: it restores everything."""
        return frozenset(record.path for record in self._frame if isinstance(record, Part))

    @property
    def parts(self) -> frozenset[bytes]:
        """The paths that this rebuild restores, with all below them."""
        return self.chosen or frozenset(self.roots)

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The watched paths of this rebuild."""
        return tuple(record.path for record in self._frame if isinstance(record, Root))

    @property
    def kept(self) -> tuple[bytes, ...]:
        """The backup directories, also those that it was killed before it made."""
        return tuple(record.path for record in self.records if isinstance(record, Keeping))

    @property
    def closed(self) -> bool:
        """Whether the rebuild is over: finished, stopped before any change, or undone."""
        return bool(self.marks & _CLOSED)

    @property
    def changed(self) -> bool:
        """Whether this rebuild, or an interrupted one that it resumes, may have anything to undo."""
        return self._changes or bool(self.resumes)

    def write(self, *records: Record) -> None:
        """Append records; ``sync`` makes them durable."""
        self.records.extend(records)
        frame = [record for record in records if isinstance(record, _FRAME)]
        self._frame += frame
        self._changes |= any(not isinstance(record, (*_FRAME, Touched)) for record in records)
        self._pending += records

    def sync(self) -> None:
        """Append all new records to the file, and sync it. Raises OSError."""
        while self._pending:
            lines = "".join(map(encode, self._pending[:_AT_ONCE]))
            data = (self._before + lines).encode("ascii")
            self._before = "\n"  # if the disk is full, a later call continues after an incomplete line
            write_all(self._fd, data)
            self._before = ""
            del self._pending[:_AT_ONCE]
        sync_file(self._fd)

    def mark(self, word: str) -> None:
        """Write a mark and sync. Raises OSError."""
        self.write(Mark(word))
        self.sync()

    def remove(self) -> None:
        """Remove the journal and its folder. Raises OSError."""
        top_fd = os.open(os.path.dirname(self.folder), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            discard(os.path.basename(self.folder), top_fd)
        finally:
            os.close(top_fd)

    def _lines(self) -> Iterator[bytes]:
        with open(self.file, "rb") as file:
            yield from file

    def wait_for_writers(self) -> None:
        """Wait until a second process has ended, which the kernel kills a moment after the first one was killed.

        That process holds a shared lock on the journal (flock(2)). Do not wait if the journal cannot be locked.
        """
        with suppress(OSError):
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file. Records that were not synced are lost."""
        os.close(self._fd)


def identifiers(state: bytes) -> frozenset[str]:
    """Return the IDs of all journals below the state folder ``state``, empty ones included."""
    try:
        return frozenset(map(os.fsdecode, os.listdir(os.path.join(state, _FOLDER))))
    except FileNotFoundError:
        return frozenset()


def history(state: bytes) -> list[Journal]:
    """Return the journals below the state folder ``state``, oldest first; the caller closes them.

    A folder without a first record is left out: its run was killed at once. Raises OSError.
    """
    return list(_open_all(state))


def closed_history(state: bytes) -> list[Journal]:
    """Return the same journals as ``history``, closed: they can be read, but not written. Raises OSError."""
    journals = history(state)
    for journal in journals:
        journal.close()
    return journals


def unfinished(state: bytes) -> list[Journal]:
    """Return the journals, closed, of interrupted rebuilds neither completed later nor undone. Raises OSError."""
    return _unfinished(closed_history(state))


def interrupted(state: bytes, parts: Sequence[bytes] = (), target: bytes = b"") -> tuple[Started, ...]:
    """Return the first records of the interrupted rebuilds that a rebuild of ``parts`` (none: everything) resumes.

    They have the same ``target``: a rehearsal resumes no rebuild to the original places. Raises OSError.
    """
    same = (each for each in unfinished(state) if each.target == target)
    return tuple(each.started for each in same if each.started and _is_within(each, parts))


def cut_off(state: bytes) -> Journal | None:
    """Return the newest rebuild to the original places, closed, that was interrupted, even after its files.

    Left out is one that was undone, and one whose paths a later rebuild restored that came to its end.
    """
    return _cut_off(closed_history(state))


def incomplete(state: bytes) -> list[Journal]:
    """Return the ``unfinished`` journals, and the newest ``cut_off`` after its files, all closed. Raises OSError."""
    journals = closed_history(state)
    newest = _cut_off(journals)
    return _unfinished(journals) + ([newest] if newest and newest.closed else [])


def _unfinished(journals: Sequence[Journal]) -> list[Journal]:
    completed = {old for journal in journals if journal.marks & _SETTLING for old in journal.resumes}
    return [journal for journal in journals if not journal.closed and journal.id not in completed]


def _cut_off(journals: Sequence[Journal]) -> Journal | None:
    done: list[Journal] = []
    for each in reversed(journals):
        if each.target or each.marks & {"stopped", "undone"}:
            continue
        if DONE in each.marks:
            done.append(each)
        elif not any(_is_within(each, later.chosen) for later in done):
            return each
    return None


def _is_within(journal: Journal, parts: Collection[bytes]) -> bool:
    """Whether a rebuild of ``parts`` (none: of everything) restores all that ``journal`` does."""
    return not parts or all(paths.is_within_any(path, parts) for path in journal.parts)


def _records(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        if line.endswith(b"\n") and (record := decode(line)) is not None:
            yield record


def _open_all(state: bytes) -> Iterator[Journal]:
    top = os.path.join(state, _FOLDER)
    try:
        names = sorted(os.listdir(top))
    except FileNotFoundError:
        return
    for name in names:
        try:
            journal = Journal(os.path.join(top, name))
        except ABSENT:
            continue
        if journal.started is None:
            journal.close()
        else:
            yield journal


def _make_folder(folder: bytes) -> None:
    """Create the journal's folder and its empty file, durably."""
    top = os.path.dirname(folder)
    os.makedirs(top, mode=0o700, exist_ok=True)
    os.mkdir(folder, 0o700)
    fd = os.open(os.path.join(folder, _NAME), _APPEND | os.O_CREAT | os.O_EXCL, 0o600)
    os.close(fd)
    for path in (folder, top, os.path.dirname(top)):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            sync_file(fd)
        finally:
            os.close(fd)
