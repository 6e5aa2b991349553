"""Unpacking what was fetched: every file is checked against its sha256 and appended to a spool.

A second process takes half of it, where there is a second processor. It is made before there are threads (fork(2) and
they do not go together), so that it has imported Mercurial by the time that something has come.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedRWPair
from typing import TYPE_CHECKING, BinaryIO

from pacha.actions.memory import bounded
from pacha.errors import DamagedError
from pacha.files import names
from pacha.files.metadata import Entry, Kind

if TYPE_CHECKING:
    from pacha.store.hg import Reader, Repository

_CHUNK = 1 << 20
_HOLE = bytes(64 << 10)
_FILE = 64 << 10  #: bytes that take as long to read as a file takes to open
_FEW = 200  #: files that are not worth dividing


@dataclass(frozen=True, slots=True)
class Item:
    """A file to unpack: its path, the stored names that hold it one after the other, its sha256, its bytes."""

    path: bytes
    stored: tuple[bytes, ...]
    sha256: bytes | None
    size: int


@dataclass(frozen=True, slots=True)
class Task:
    """Files of ``node`` in the repository at ``path``, which is called ``name``; they go to the end of ``spool``."""

    path: str
    name: str
    node: str
    spool: str
    items: Sequence[Item]


@dataclass(slots=True)
class Unpacked:
    """Where in the spool each path is (offset, bytes), and how many bytes of it are holes.

    ``sound``: no log that was read has anything that belongs to no revision.
    """

    places: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    holes: dict[bytes, int] = field(default_factory=dict)
    sound: bool = False


def items(entries: Iterable[Entry]) -> list[Item]:
    """Those of ``entries`` that have content."""
    files = (entry for entry in entries if entry.kind is Kind.FILE)
    return [Item(entry.path, tuple(content_names(entry)), entry.sha256, entry.size) for entry in files]


def content_names(entry: Entry) -> list[bytes]:
    """The names in its repository that hold the content of a file, in order."""
    stored = entry.stored or b""
    return [names.part(stored, number) for number in range(entry.parts)] or [stored]


def halves(files: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    """Two parts that take about the same time; the second is empty where there are few."""
    if len(files) < _FEW:
        return files, ()
    left = sum(file.size + _FILE for file in files) // 2
    for number, file in enumerate(files):
        left -= file.size + _FILE
        if left <= 0:
            return files[: number + 1], files[number + 1 :]
    return files, ()


def unpack(task: Task, repository: Repository) -> Unpacked:
    """Do it. Raises DamagedError."""
    from pacha.store import hg

    done, read = Unpacked(), repository.reader(task.node)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with hg.lean(), open(os.open(task.spool, flags, 0o600), "ab", buffering=_CHUNK) as spool:
        for item in task.items:
            offset = spool.tell()
            _unpack_one(item, task.name, read, spool, done)
            done.places[item.path] = (offset, item.size)
    done.sound = not read.beyond
    return done


def _unpack_one(item: Item, repository: str, read: Reader, spool: BinaryIO, done: Unpacked) -> None:
    sha, size = hashlib.sha256(), 0
    for name in item.stored:
        data = read(name)
        sha.update(data)
        size += len(data)
        spool.write(data)
        if hole := data.count(_HOLE) * len(_HOLE):
            done.holes[item.path] = done.holes.get(item.path, 0) + hole
    if sha.digest() != item.sha256 or size != item.size:
        raise DamagedError(
            f"{names.shown(item.path)} is not as it was pushed.",
            f"its sha256 in the repository '{repository}' is another than the snapshot names",
            "Nothing was changed. Look at the repository on the master with 'hg verify'.",
        )


class Second:
    """A second process that unpacks. What it cannot do it leaves to the first, which then says why."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self._pid = pid
        self._line = line.makefile("rwb")
        line.close()

    @classmethod
    def begin(cls) -> Second | None:
        """Make it; None where there is one processor, a thread beside this one, or no room for a process."""
        if len(os.sched_getaffinity(0)) < 2 or threading.active_count() > 1:
            return None
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:  # as many as the account may have
            ours.close()
            theirs.close()
            return None
        if pid == 0:
            try:
                _work(theirs)
            finally:
                os._exit(0)
        theirs.close()
        return cls(pid, ours)

    def ask(self, task: Task) -> None:
        """Let it do ``task``."""
        with suppress(OSError):  # it is gone: so the answer says
            pickle.dump(task, self._line)
            self._line.flush()

    def answer(self) -> Unpacked | None:
        """What came of it; None when it was not done."""
        try:
            done = pickle.load(self._line)  # noqa: S301 - from nobody but ourselves
        except (OSError, EOFError, pickle.UnpicklingError):  # it was killed, even while it answered
            return None
        return done if isinstance(done, Unpacked) else None

    def end(self) -> None:
        """End it, whatever it does."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0
            with suppress(OSError):
                self._line.close()


def _work(line: socket.socket) -> None:
    """In the second process: keep nothing of the first's but the line, and do what is asked until that ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.dup2(line.fileno(), 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))  # the lock among them, which must end with the first
    with socket.socket(fileno=3) as kept, kept.makefile("rwb") as stream:
        _serve(stream)


def _serve(stream: BufferedRWPair) -> None:
    from pacha.store import hg

    while task := pickle.load(stream):  # noqa: S301
        done = None
        with suppress(Exception), bounded():
            done = unpack(task, hg.Repository.open(task.path))
        pickle.dump(done, stream)
        stream.flush()
