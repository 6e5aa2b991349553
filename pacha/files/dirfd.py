"""Reach a path below a root through directory descriptors, never through a symlink.

Each component is opened with O_NOFOLLOW relative to the one above (openat(2)). So nobody who can write inside the
tree can lead the reader out of it, and a path may be longer than PATH_MAX.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from types import TracebackType

from pacha.system.presence import still_listed

#: Flags of open(2) that are safe in hostile folders: they follow no link and never wait; CREATE opens no existing file.
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

#: Seconds. The kernel breaks a lease whose holder does not give it up within 45 (/proc/sys/fs/lease-break-time).
_LONGEST_LEASE = 60
_POLL_SECONDS = 0.02


class NotAFile(OSError):
    """The path was a regular file when it was scanned, and is not one now."""


def open_own(path: bytes) -> int:
    """Open the folder ``path``. Raises OSError unless it belongs to us or root, and nobody else may write to it."""
    fd = os.open(path, DIRECTORY)
    status = os.fstat(fd)
    if status.st_uid not in (0, os.geteuid()) or stat.S_IMODE(status.st_mode) & 0o022:
        os.close(fd)
        raise PermissionError(errno.EPERM, "it is not ours, or others may write to it", path)
    return fd


def open_to_read(name: bytes, dir_fd: int) -> int:
    """Open ``name`` with the flags READ; wait up to a minute for a lease on it. Raises OSError.

    A file server holds a lease on each file that a client has open (fcntl(2)), and gives it up when we first try to
    open the file. Without O_NONBLOCK the kernel would wait for that, but also for a FIFO.
    """
    deadline = time.monotonic() + _LONGEST_LEASE
    while True:
        try:
            return os.open(name, READ, dir_fd=dir_fd)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise BlockingIOError(
                    error.errno, "another program holds a lease on it and does not give it up"
                ) from None
            time.sleep(_POLL_SECONDS)


def open_file(name: bytes, dir_fd: int) -> int:
    """Open the regular file ``name`` for reading; wait for a lease, but not for a FIFO. Raises OSError, NotAFile."""
    fd = open_to_read(name, dir_fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotAFile("no longer a regular file")
    return fd


def reach(path: bytes) -> int:
    """Open the directory ``path``, even an unreadable one, to reach a name in it. Raises OSError."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


class DirectoryFds:
    """The directory descriptors from ``root`` (absolute bytes) down to the directory last asked for.

    Requests in sorted order reopen little. The descriptors belong to this object.
    """

    def __init__(self, root: bytes) -> None:
        self._last: bytes | None = None  #: the directory of the last descriptor; None after a failure on the way
        self._names: list[bytes] = []
        self._fds = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]

    def directory(self, relative: bytes) -> int:
        """The descriptor of the directory ``relative`` (b"" is the root). Raises OSError."""
        if relative == self._last:
            return self._fds[-1]
        components = relative.split(b"/") if relative else []
        shared = 0
        while shared < min(len(components), len(self._names)) and components[shared] == self._names[shared]:
            shared += 1
        self._climb(shared)
        for name in components[shared:]:
            self._fds.append(os.open(name, DIRECTORY, dir_fd=self._fds[-1]))
            self._names.append(name)
        self._last = relative
        return self._fds[-1]

    def parent(self, relative: bytes) -> tuple[int, bytes]:
        """The descriptor of the directory that holds ``relative``, and its last component."""
        above, _, name = relative.rpartition(b"/")
        return self.directory(above), name

    def is_gone(self, relative: bytes) -> bool:
        """Whether ``relative`` is gone: not listed any more, or below a path that is not a directory now."""
        components = relative.split(b"/")
        for depth, name in enumerate(components):
            try:
                if not still_listed([name], self.directory(b"/".join(components[:depth]))):
                    return True
            except NotADirectoryError:
                return True
            except OSError:
                return False
        return False

    def close(self) -> None:
        """Close every descriptor."""
        self._climb(0)
        os.close(self._fds.pop())

    def _climb(self, depth: int) -> None:
        self._last = None
        del self._names[depth:]
        while len(self._fds) > depth + 1:
            os.close(self._fds.pop())

    def __enter__(self) -> DirectoryFds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
