"""The receiving side of the scp protocol: hostile bytes come in, files in a private folder go out.

The sender is a stock ``scp -r -f PATH``. Its side is described in OpenSSH's ``scp.c`` (``source`` and ``rsource``) and
in Jan Pechanec's "How the SCP protocol works": ``D<mode> 0 <name>`` opens a directory and ``E`` closes it, ``C<mode>
<size> <name>`` is followed by that many bytes and a status byte (0, or 1 and a line of complaint). The sender waits for
a zero byte before it starts, after each such line, and once more after each file's content. Those answers are always
the same, so they are sent ahead: a few thousand at the start, topped up as the sender uses them. So it never waits for
a round trip.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from pacha.errors import DamagedError, PachaError
from pacha.files.dirfd import CREATE, DIRECTORY
from pacha.system.syscalls import write_all
from pacha.wire.remote_errors import missing_name
from pacha.wire.scp_header import check_name, complaint, parse_header
from pacha.wire.scp_stream import LOOK, Duplex, Sender, odd, start_of

_LARGE = 1 << 20  #: bytes from which on a file is checked against the free space first


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
    """A file that was written: its name below the inbox ('/' between), its bytes, the seconds, its mode there."""

    name: bytes
    size: int
    seconds: float
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """What was written: files, their bytes, and the seconds that it took.

    ``passed_over`` counts the unwanted files that the sender could not read; its exit status is 1 then.
    """

    files: int
    size: int
    seconds: float
    passed_over: int = 0


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
    ``on_file`` is called for each file written. Modes on the wire are ignored: folders are 0700, files 0600.
    The sender's exit status is for the caller to check. Raises Refused, RemoteError or DamagedError for
    what the sender did, PachaError where this machine cannot write.
    """
    sink = _Sink(Sender(stream, limits.line), inbox, accept, limits, on_file)
    try:
        return sink.run(top)
    finally:
        sink.close()


@dataclass(slots=True)
class _Folder:
    """An open directory: its path below the inbox; its descriptor, None if discarded."""

    path: bytes
    fd: int | None

    def child(self, name: bytes) -> bytes:
        return self.path + b"/" + name if self.path else name


class _Sink:
    """A transfer: the open directories, and the counters."""

    def __init__(
        self,
        sender: Sender,
        inbox: int,
        accept: Callable[[bytes, bool], bool],
        limits: Limits,
        on_file: Callable[[Received], None],
    ) -> None:
        self._sender = sender
        self._inbox = inbox
        self._accept = accept
        self._limits = limits
        self._on_file = on_file
        self._open: list[_Folder] = []
        self._entries = 0
        self._announced = 0
        self._files = self._passed_over = 0
        self._size = 0

    def run(self, top: bytes) -> Totals:
        start = time.monotonic()
        self._sender.spend()
        self._enter_top(top)
        while self._open:
            self._step()
        if not self._sender.ended():
            raise DamagedError(
                "The master sent more than was asked for.", "bytes after the last directory", LOOK, code="scp-excess"
            )
        return Totals(self._files, self._size, time.monotonic() - start, self._passed_over)

    def close(self) -> None:
        while self._open:
            self._leave()

    def _enter_top(self, top: bytes) -> None:
        if self._sender.ended():
            raise DamagedError("The master sent nothing of what was asked for.", "", LOOK, code="scp-nothing-sent")
        kind, _, _, name = parse_header(self._sender.line(), first=True)
        self._sender.spend()
        if kind != b"D" or name != top:
            raise odd(f"something else than the directory {start_of(top)}", name)
        self._count()
        self._open.append(_Folder(b"", os.dup(self._inbox)))

    def _step(self) -> None:
        line = self._sender.line()
        if line == b"E":
            self._sender.spend()
            self._leave()
            return
        if self._can_be_ignored(line):
            self._count()
            self._passed_over += 1
            return
        kind, mode, size, name = parse_header(line, first=False)
        self._sender.spend()
        folder = self._open[-1]
        check_name(name)
        self._count()
        if kind == b"D":
            self._enter(folder, name)
        else:
            self._file(folder, name, size, mode)

    def _can_be_ignored(self, line: bytes) -> bool:
        """Whether the sender could not read a file that would not be written anyway.

        An example is Mercurial's lock, a dangling link, which stays when its process dies. The sender continues with
        the next file, and waits for no answer (scp.c, ``source``, ``syserr``).
        """
        if line[:1] != b"\x01":
            return False
        name = missing_name(line[1:])
        return name is not None and not self._accept(self._open[-1].child(name), False)

    def _count(self) -> None:
        self._entries += 1
        if self._entries > self._limits.files:
            raise DamagedError(
                "The master sent too much.", f"more than {self._limits.files} files", LOOK, code="scp-limit"
            )

    def _leave(self) -> None:
        folder = self._open.pop()
        if folder.fd is not None:
            os.close(folder.fd)

    def _enter(self, folder: _Folder, name: bytes) -> None:
        if len(self._open) >= self._limits.depth:
            raise DamagedError(
                "The master sent too much.", f"more than {self._limits.depth} levels deep", LOOK, code="scp-limit"
            )
        path = folder.child(name)
        fd = None
        if folder.fd is not None and self._accept(path, True):
            try:
                os.mkdir(name, 0o700, dir_fd=folder.fd)
                fd = os.open(name, DIRECTORY, dir_fd=folder.fd)
            except OSError as error:
                raise _not_written(path, error) from error
        self._open.append(_Folder(path, fd))

    def _file(self, folder: _Folder, name: bytes, size: int, mode: int) -> None:
        self._announced += size
        if self._announced > self._limits.total_bytes:
            raise DamagedError(
                "The master sent too much.", f"more than {self._limits.total_bytes} bytes", LOOK, code="scp-limit"
            )
        path = folder.child(name)
        if folder.fd is None or not self._accept(path, False):
            self._content(path, size, None)
            return
        start = time.monotonic()
        try:
            _check_room(folder.fd, size)
            fd = os.open(name, CREATE, 0o600, dir_fd=folder.fd)
        except OSError as error:
            raise _not_written(path, error) from error
        try:
            self._content(path, size, fd)
        finally:
            os.close(fd)
        self._files += 1
        self._size += size
        self._on_file(Received(path, size, time.monotonic() - start, mode))

    def _content(self, path: bytes, size: int, fd: int | None) -> None:
        """Read a file's bytes and the status after them, and write the bytes to ``fd`` unless it is None."""
        while size:
            piece = self._sender.chunk(size)
            size -= len(piece)
            if fd is not None:
                try:
                    write_all(fd, piece)
                except OSError as error:
                    raise _not_written(path, error) from error
        status = self._sender.chunk(1)
        if status in (b"\x01", b"\x02"):
            raise complaint(self._sender.line(), first=False)
        if status != b"\0":
            raise odd(f"no status after {start_of(path)}", status)
        self._sender.spend()


def _check_room(folder: int, size: int) -> None:
    """Raise OSError for a file that is too large for the disk, before a byte of it is written."""
    if size >= _LARGE:
        status = os.fstatvfs(folder)
        if size > status.f_bavail * status.f_frsize:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _not_written(path: bytes, error: OSError) -> PachaError:
    if isinstance(error, FileExistsError):  # the inbox was empty: only the sender can have made it
        return odd("a name twice", path)
    return PachaError(
        f"Cannot write {start_of(path)} of the copy that came from the master.",
        error.strerror or str(error),
        "Make room, or set TMPDIR to a folder with more, and run it again.",
        code="copy-not-written",
    )
