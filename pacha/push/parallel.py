"""Read files and write their logs in two processes: what the second does not do, for whatever reason, the first does.

The second gets the names and scanned entries of some files at a time. It does those that have not changed since and
that are kept whole and in the clear; it decides nothing. See ``store.hg.first_commit``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from pacha.errors import PachaError
from pacha.fetch.worker import WorkerProcess
from pacha.files import content
from pacha.files.dirfd import DirectoryFds
from pacha.files.entry import Entry, Kind, matches
from pacha.host.context import Context
from pacha.store import hg

_FEW = 4000  #: files; with fewer there is little to gain
_MOST = 8 << 20  #: bytes at a time, so that the first process does not wait long at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Files to read below ``root``, whose logs to write into the repository at ``repository``, which is being made.

    ``identity``: device and inode of ``root``. Each of ``files`` is plain: the stored name, the path below ``root``,
    and mode, user, group, time, size.
    """

    repository: str
    root: bytes
    identity: tuple[int, int]
    files: tuple[tuple[bytes, bytes, int, int, int, int, int], ...]


def write_share(share: Share) -> list[tuple[Any, ...] | None]:
    """Write the logs of a share; for each file the log, as a plain tuple, and its SHA-256, or None where it is left.

    Raises OSError.
    """
    store = hg.NewStore(os.fsencode(share.repository))
    with DirectoryFds(share.root) as descent:
        if _identity(descent.directory(b"")) != share.identity:  # /proc shows other processes here
            raise FileNotFoundError(errno.ENOENT, "it is another folder", share.root)
        return [_written(store, descent, *file) for file in share.files]


def _written(store: hg.NewStore, descent: DirectoryFds, stored: bytes, path: bytes, *scanned: int) -> Any:
    mode, uid, gid, mtime_ns, size = scanned
    entry = Entry(path, Kind.FILE, mode, uid, gid, None, None, mtime_ns, size)
    try:
        directory, name = descent.parent(path)
        reading = content.read(entry, name, directory)
    except OSError:  # the first process says why
        return None
    if not (reading.steady and matches(entry, reading.status)):
        return None
    blob = hg.Blob(reading.data, is_executable=bool(mode & 0o100))
    return tuple(store.add_file(stored, blob)), reading.entry.sha256


class Sharing:
    """A second process of a push, which reads files and writes their logs."""

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker

    def reading(
        self,
        written: Mapping[bytes, Entry],
        folder: int,
        relative: Callable[[bytes], bytes],
        accept: Callable[[Entry], None],
    ) -> SharedReading | None:
        """A reader of a part of the files ``written`` (by stored name); None if there are few.

        The files lie below the descriptor ``folder``, at the paths that ``relative`` returns. ``accept`` is called with
        the entry of each file as it was read.
        """
        return SharedReading(self._worker, written, folder, relative, accept) if len(written) >= _FEW else None


class SharedReading:
    """Lets ``worker`` write logs; see ``Sharing.reading`` and ``hg.SecondWriter``."""

    def __init__(
        self,
        worker: WorkerProcess,
        written: Mapping[bytes, Entry],
        folder: int,
        relative: Callable[[bytes], bytes],
        accept: Callable[[Entry], None],
    ) -> None:
        self._worker, self._written, self._relative, self._accept = worker, written, relative, accept
        # The descriptor of this process: whatever comes in the place of the folder meanwhile, it is read from this one.
        self._root, self._identity = b"/proc/%d/fd/%d" % (os.getpid(), folder), _identity(folder)
        self._given: list[Entry | None] = []

    def give(self, repository: str, names: Sequence[bytes]) -> int:
        """Give the process those of the last ``names`` that it can do; returns how many of them were looked at."""
        taken, size = list[tuple[bytes, Entry | None]](), 0
        for name in reversed(names):
            if size > _MOST:
                break
            entry = self._written[name]
            is_simple = entry.kind is Kind.FILE and entry.parts == 0 and entry.sealed is None
            taken.append((name, entry if is_simple else None))
            size += entry.size if is_simple else 0
        taken.reverse()
        self._given = [entry for _, entry in taken]
        files = tuple(self._file(name, entry) for name, entry in taken if entry is not None)
        share = Share(repository=repository, root=self._root, identity=self._identity, files=files)
        self._worker.ask(write_share, share)
        return len(taken)

    def _file(self, name: bytes, entry: Entry) -> tuple[bytes, bytes, int, int, int, int, int]:
        return name, self._relative(entry.path), entry.mode, entry.uid, entry.gid, entry.mtime_ns, entry.size

    def has_ended(self) -> bool:
        """Whether the process has done what was given, or has ended."""
        return self._worker.answers()

    def written(self) -> Sequence[hg.Log | None] | None:
        """The log of each given name (None: not done); None if the process failed, which ends it."""
        if (answer := self._answer()) is None:
            self.end()
            return None
        told = iter(answer)
        return [None if entry is None else self._log(entry, next(told)) for entry in self._given]

    def _answer(self) -> Any:
        with suppress(PachaError):  # too little memory
            return self._worker.answer()
        return None

    def _log(self, entry: Entry, told: tuple[tuple[Any, ...], bytes] | None) -> hg.Log | None:
        if told is None:
            return None
        log, sha256 = told
        self._accept(entry._replace(sha256=sha256))
        return hg.Log(*log)

    def end(self) -> None:
        """End the process, so that it writes nothing more."""
        self._worker.end()


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino


@contextmanager
def starting(context: Context) -> Iterator[Sharing | None]:
    """A second process for the body of a first push; None if something was scanned before, or if it cannot be had.

    It has to be forked before there are threads: see ``WorkerProcess.begin``.
    """
    if os.path.lexists(context.state.cache):
        yield None
        return
    with WorkerProcess.start(load=False) as worker:
        yield Sharing(worker) if worker else None
