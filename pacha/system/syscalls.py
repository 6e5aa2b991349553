"""System calls that Python does not wrap (syncfs(2), renameat2(2), prctl(2)), a complete write and a tolerant fsync."""

from __future__ import annotations

import ctypes
import errno
import os
import signal

_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2  # linux/fs.h; rename(2)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
#: The errors of a call that the kernel, the C library or the file system does not support.
UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})

_libc = ctypes.CDLL(None, use_errno=True)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``, although a single write(2) may write only a part. Raises OSError."""
    written = os.write(fd, data) if data else 0
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def sync_file(fd: int) -> None:
    """Sync a file or a directory, if its file system can: older CIFS, for one, cannot. Raises OSError."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def sync_file_system(fd: int) -> None:
    """Sync the whole file system of ``fd`` (not O_PATH), if that is supported. Raises OSError."""
    if _libc.syncfs(fd) != 0 and ctypes.get_errno() not in UNSUPPORTED:
        _raise()


def exchange(first: bytes, first_fd: int, second: bytes, second_fd: int) -> None:
    """Exchange two names atomically. Raises OSError, with an errno of ``UNSUPPORTED`` where that is not supported."""
    _renameat2(first_fd, first, second_fd, second, _RENAME_EXCHANGE)


def rename_new(source: bytes, source_fd: int, target: bytes, target_fd: int) -> None:
    """Rename, but raise FileExistsError instead of replacing anything. Raises OSError as ``exchange`` does."""
    _renameat2(source_fd, source, target_fd, target, _RENAME_NOREPLACE)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process as soon as the thread that forked it, in the process ``parent``, ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def _renameat2(source_fd: int, source: bytes, target_fd: int, target: bytes, flags: int) -> None:
    call = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(source_fd, source, target_fd, target, ctypes.c_uint(flags)) != 0:
        _raise()


def _raise() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
