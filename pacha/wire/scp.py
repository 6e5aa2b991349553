"""The receiving side of the scp protocol: hostile bytes in, files in a private folder out.

The sender is a stock ``scp -r -f PATH``. What it says is described in OpenSSH's ``scp.c`` (``source``
and ``rsource``) and in Jan Pechanec's "How the SCP protocol works": ``D<mode> 0 <name>`` opens a
directory and ``E`` closes it, ``C<mode> <size> <name>`` is followed by that many bytes and a status
byte (0, or 1 and a line of complaint). The sender waits for a zero byte before it starts, after each
such line, and once more after each file's content. Those answers say nothing, so they are sent ahead:
a few thousand at the start, topped up as the sender uses them. It then never waits for the line.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from pacha.errors import DamagedError, PachaError
from pacha.files.names import shown

#: Answers that the sender has in hand. Far below a pipe buffer and an SSH window (64 KiB), so that
#: writing them never has to wait, and enough for a second of small files on a line of 500 ms.
CREDIT = 4096

_READ = 256 * 1024
_NAME_MAX = 255
_SHOWN_MAX = 200
_HEADER = re.compile(rb"([CD])[0-7]{4} ([0-9]{1,19}) (.*)", re.DOTALL)
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class RemoteError(DamagedError):
    """The sender itself reported trouble, perhaps since a push changed the tree: worth another try."""


class Refused(RemoteError):
    """What was asked for does not exist over there: the first thing the sender said."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a sender may send before it is refused.

    ``total_bytes`` of content, written or discarded; ``files`` and directories together; ``depth`` of
    directories, the top one included (each costs a descriptor); ``line`` bytes of a header or message.
    """

    total_bytes: int
    files: int
    depth: int
    line: int = 4096


@dataclass(frozen=True, slots=True)
class Received:
    """One file that was written: ``name`` below the inbox ('/' between, bytes), bytes, seconds."""

    name: bytes
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Totals:
    """What was written: files, their bytes, and the seconds that all of it took."""

    files: int
    size: int
    seconds: float


class Duplex(Protocol):
    """A byte stream whose own faults are PachaErrors and whose waits are bounded by itself."""

    def read(self, n: int, /) -> bytes:
        """Up to ``n`` bytes, at least one; ``b''`` at the end."""

    def write(self, data: bytes, /) -> object:
        """Send all of ``data``; OSError when the other side no longer reads."""


def receive(
    stream: Duplex,
    inbox: int,
    *,
    top: bytes,
    accept: Callable[[bytes, bool], bool],
    limits: Limits,
    on_file: Callable[[Received], None],
) -> Totals:
    """Receive one directory tree from ``scp -r -f`` into an empty folder.

    ``inbox`` is the descriptor of that folder (0700); the directory that the sender must call ``top``
    becomes the inbox itself. ``accept(path below the inbox, is_dir)`` False means: read, never written.
    ``on_file`` is told of each file written. Modes on the wire are ignored: folders are 0700, files 0600.
    The sender's exit status is for the caller to check. Raises Refused, RemoteError or DamagedError for
    what the sender did, PachaError where this machine cannot write.
    """
    sink = _Sink(_Wire(stream, limits.line), inbox, accept, limits, on_file)
    try:
        return sink.run(top)
    finally:
        sink.close()


class _Wire:
    """Buffered reading of the sender's bytes, and the answers sent ahead."""

    def __init__(self, stream: Duplex, line_max: int) -> None:
        self._stream = stream
        self._line_max = line_max
        self._data = b""
        self._at = 0
        self._spent = 0
        self._send(CREDIT)

    def _send(self, count: int) -> None:
        try:
            self._stream.write(bytes(count))
        except OSError:
            pass  # a sender that has finished reads no more; one that has not shows as an early end

    def spend(self) -> None:
        """The sender has used up one answer."""
        self._spent += 1
        if self._spent == CREDIT // 4:
            self._send(self._spent)
            self._spent = 0

    def _more(self) -> bool:
        fresh = self._stream.read(_READ)
        self._data = self._data[self._at :] + fresh
        self._at = 0
        return bool(fresh)

    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._at == len(self._data) and not self._more()

    def chunk(self, most: int) -> bytes:
        """Between one and ``most`` bytes."""
        if self.ended():
            raise DamagedError("the transfer ended early", "the sender stopped in the middle")
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def line(self) -> bytes:
        """One line without its newline."""
        while (end := self._data.find(b"\n", self._at, self._at + self._line_max)) < 0:
            if len(self._data) - self._at >= self._line_max:
                raise _odd("a line that is too long", self._data[self._at :])
            if not self._more():
                raise DamagedError("the transfer ended early", "the sender stopped in the middle")
        text = self._data[self._at : end]
        self._at = end + 1
        return text


@dataclass(slots=True)
class _Folder:
    """An open directory: its path below the inbox; its descriptor, None if discarded."""

    path: bytes
    fd: int | None
    names: set[bytes] = field(default_factory=set)

    def child(self, name: bytes) -> bytes:
        return self.path + b"/" + name if self.path else name


class _Sink:
    """One transfer: the directories that are open now, and what has been counted so far."""

    def __init__(
        self,
        wire: _Wire,
        inbox: int,
        accept: Callable[[bytes, bool], bool],
        limits: Limits,
        on_file: Callable[[Received], None],
    ) -> None:
        self._wire = wire
        self._inbox = inbox
        self._accept = accept
        self._limits = limits
        self._on_file = on_file
        self._open: list[_Folder] = []
        self._entries = 0
        self._announced = 0
        self._files = 0
        self._size = 0

    def run(self, top: bytes) -> Totals:
        start = time.monotonic()
        self._wire.spend()
        self._enter_top(top)
        while self._open:
            self._step()
        if not self._wire.ended():
            raise DamagedError("the master sent more than was asked for", "bytes after the last directory")
        return Totals(self._files, self._size, time.monotonic() - start)

    def close(self) -> None:
        while self._open:
            self._leave()

    def _enter_top(self, top: bytes) -> None:
        kind, _, name = self._header(self._wire.line(), first=True)
        if kind != b"D" or name != top:
            raise _odd(f"something else than the directory {_shown(top)}", name)
        self._count()
        self._open.append(_Folder(b"", os.dup(self._inbox)))

    def _step(self) -> None:
        line = self._wire.line()
        if line == b"E":
            self._wire.spend()
            self._leave()
            return
        kind, size, name = self._header(line, first=False)
        folder = self._open[-1]
        _check_name(folder, name)
        self._count()
        if kind == b"D":
            self._enter(folder, name)
        else:
            self._file(folder, name, size)

    def _header(self, line: bytes, *, first: bool) -> tuple[bytes, int, bytes]:
        """What a ``C`` or ``D`` line says: kind, size in bytes, name."""
        if line[:1] in (b"\x01", b"\x02"):
            raise _complaint(line[1:], first=first)
        match = _HEADER.fullmatch(line)
        if match is None:
            raise _odd("a line that is not of the scp protocol", line)
        self._wire.spend()
        return match[1], int(match[2]), match[3]

    def _count(self) -> None:
        self._entries += 1
        if self._entries > self._limits.files:
            raise DamagedError("the master sent too much", f"more than {self._limits.files} files")

    def _leave(self) -> None:
        folder = self._open.pop()
        if folder.fd is not None:
            os.close(folder.fd)

    def _enter(self, folder: _Folder, name: bytes) -> None:
        if len(self._open) >= self._limits.depth:
            raise DamagedError("the master sent too much", f"more than {self._limits.depth} levels deep")
        path = folder.child(name)
        fd = None
        if folder.fd is not None and self._accept(path, True):
            with _writing(path):
                os.mkdir(name, 0o700, dir_fd=folder.fd)
                fd = os.open(name, _FOLDER_FLAGS, dir_fd=folder.fd)
        self._open.append(_Folder(path, fd))

    def _file(self, folder: _Folder, name: bytes, size: int) -> None:
        self._announced += size
        if self._announced > self._limits.total_bytes:
            raise DamagedError("the master sent too much", f"more than {self._limits.total_bytes} bytes")
        path = folder.child(name)
        if folder.fd is None or not self._accept(path, False):
            self._content(path, size, None)
            return
        start = time.monotonic()
        with _writing(path):
            fd = os.open(name, _FILE_FLAGS, 0o600, dir_fd=folder.fd)
        try:
            self._content(path, size, fd)
        finally:
            os.close(fd)
        self._files += 1
        self._size += size
        self._on_file(Received(path, size, time.monotonic() - start))

    def _content(self, path: bytes, size: int, fd: int | None) -> None:
        """A file's bytes, written to ``fd`` if there is one, and the status that follows them."""
        while size:
            piece = self._wire.chunk(size)
            size -= len(piece)
            if fd is not None:
                _write(fd, piece, path)
        status = self._wire.chunk(1)
        if status in (b"\x01", b"\x02"):
            raise _complaint(self._wire.line(), first=False)
        if status != b"\0":
            raise _odd(f"no status after {_shown(path)}", status)
        self._wire.spend()


def _write(fd: int, piece: bytes, path: bytes) -> None:
    rest = memoryview(piece)
    with _writing(path):
        while rest:
            rest = rest[os.write(fd, rest) :]


@contextmanager
def _writing(path: bytes) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:  # the inbox was empty: only the sender can have made it
        raise _odd("a name twice", path) from error
    except OSError as error:
        raise PachaError(
            f"cannot write {_shown(path)} of the copy that came from the master",
            error.strerror or str(error),
            "make room, or set TMPDIR to a folder with more, and run it again",
        ) from error


def _check_name(folder: _Folder, name: bytes) -> None:
    if name in (b"", b".", b"..") or b"/" in name or len(name) > _NAME_MAX:
        raise _odd("a name that is not a plain file name", name)
    if any(byte < 0x20 or byte == 0x7F for byte in name):
        raise _odd("a name with control characters", name)
    if name in folder.names:
        raise _odd("a name twice", folder.child(name))
    folder.names.add(name)


def _complaint(text: bytes, *, first: bool) -> RemoteError:
    """The error for a message of the sender (``scp: PATH: No such file or directory``)."""
    kind = Refused if first and b"No such file" in text else RemoteError
    return kind("the master could not send what was asked for", f"it says: {_shown(text)}")


def _odd(what: str, data: bytes) -> DamagedError:
    return DamagedError(f"the master sent {what}", f"it sent: {_shown(data)}")


def _shown(data: bytes) -> str:
    """The start of ``data`` as one harmless line."""
    return shown(data[:_SHOWN_MAX]) + ("..." if len(data) > _SHOWN_MAX else "")
