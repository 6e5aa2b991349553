"""The unpacked and checked content of a snapshot, in files of the staging directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pacha.errors import PachaError
from pacha.fetch.ahead import finish, unpacking_ahead
from pacha.fetch.unpack import Item, Task, UnpackedFile, items, unpack_parallel
from pacha.fetch.worker import WorkerProcess, run_in_worker
from pacha.files.entry import Entry
from pacha.sealing.opener import Opened, Opener
from pacha.store import revision
from pacha.store.snapshot import Watched
from pacha.text import escape

_CHUNK = 1 << 20
_CONTENT = ".content"


@dataclass(slots=True, kw_only=True)
class Spool:
    """What is unpacked so far. The process ``worker`` helps.

    ``places``: for each path a descriptor, an offset and a size; ``holes``: how many of its bytes take no room on disk;
    ``purged``: paths whose content was erased from the history; ``opened``: what came out of sealed files, by path;
    ``shut``: why others stay sealed; ``read``: by repository the stored names whose logs were read and have no bytes
    outside of revisions.
    """

    worker: WorkerProcess | None = None
    places: dict[bytes, tuple[int, int, int]] = field(default_factory=dict)
    holes: dict[bytes, int] = field(default_factory=dict)
    purged: set[bytes] = field(default_factory=set)
    opened: dict[bytes, Opened] = field(default_factory=dict)
    shut: dict[bytes, str] = field(default_factory=dict)
    opener: Opener = field(default_factory=Opener)
    read: dict[str, frozenset[bytes]] = field(default_factory=dict)
    _begun: bool = False  #: the worker has unpacked some of the next task
    _files: dict[int, str] = field(default_factory=dict)  #: the paths by descriptor

    def task(
        self, repository: str, watched: Watched, entries: Iterable[Entry], folder: Path, *, original: str = ""
    ) -> Task:
        """The task to unpack ``entries`` from the repository at that path into ``folder``, checked by their sha256."""
        return Task(
            path=repository,
            name=watched.repository,
            watched=watched.path,
            node=watched.node or revision.NULL,
            spool=str(folder / _CONTENT),
            items=[tuple(file) for file in items(entries)],
            original=original,
            opener=self.opener,
        )

    @contextmanager
    def arriving(self, task: Task) -> Iterator[Callable[[bytes], None]]:
        """Unpack files of ``task`` during the body, which reports each file of the store that arrives."""
        self._begun = False
        if self.worker is None:
            yield lambda name: None
            return
        with unpacking_ahead(self.worker, task) as ahead:
            yield ahead.arrived
        self._begun = ahead.works

    def add(self, task: Task) -> None:
        """Unpack what is left of ``task``, whose repository is complete. Raises DamagedError."""
        begun, self._begun = self._begun, False
        finished = run_in_worker(self.worker, finish, task.path) if begun else None
        numbers, unpacked = finished or (range(len(task.items)), run_in_worker(self.worker, unpack_parallel, task))
        following = (Item._make(task.items[number]) for number in numbers)
        for file in unpacked:
            self._take(file, islice(following, file.count))
        self.read.pop(task.name, None)  # of an earlier try: the repository was fetched again
        if all(file.sound for file in unpacked):
            self.read[task.name] = frozenset(name for file in map(Item._make, task.items) for name in file.stored)

    def content(self, path: bytes) -> Iterator[bytes]:
        """The bytes of a file, in chunks. Raises PachaError."""
        fd, offset, size = self.places[path]
        end = offset + size
        return (_piece(path, fd, start, min(_CHUNK, end - start)) for start in range(offset, end, _CHUNK))

    def place(self, path: bytes) -> tuple[bytes, int, int]:
        """The file that has the content of ``path``, the offset in it, the size."""
        fd, offset, size = self.places[path]
        return os.fsencode(self._files[fd]), offset, size

    def bytes_of(self, path: bytes, largest: int | None = None) -> bytes:
        """The content of a small file, or its first ``largest`` bytes."""
        fd, offset, size = self.places[path]
        return os.pread(fd, size if largest is None else min(size, largest), offset)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[0])

    def _take(self, unpacked: UnpackedFile, files: Iterable[Item]) -> None:
        fd = self._opened(unpacked.spool)
        offset, absent = unpacked.start, {*unpacked.purged, *unpacked.shut}
        for file in files:
            if file.path not in absent:
                self.places[file.path] = (fd, offset, file.size)
                offset += file.size
        self.holes.update(unpacked.holes)
        self.purged.update(unpacked.purged)
        self.opened.update(unpacked.opened)
        self.shut.update(unpacked.shut)

    def _opened(self, spool: str) -> int:
        for fd, path in self._files.items():
            if path == spool:
                return fd
        fd = os.open(spool, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._files[fd] = spool
        return fd


def _piece(path: bytes, fd: int, offset: int, size: int) -> bytes:
    chunk = os.pread(fd, size, offset)
    if len(chunk) < size:
        raise PachaError(
            f"{escape(path)} cannot be read back.",
            "the staging folder is cut short",
            "Run this again.",
            code="staged-content-lost",
        )
    return chunk
