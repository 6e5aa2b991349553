"""Hold all repositories of a host still while its folder is moved: with Mercurial's own locks, by descriptors.

A lock is a symbolic link ``.hg/store/lock`` to HOST/NAMESPACE:PROCESS (Mercurial, lock.py). A lock of a process of
this machine that is gone counts for nothing, there as here. The host may have forged its folder: no link is followed.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from pacha.errors import PachaError
from pacha.files.dirfd import DIRECTORY, DirectoryFds
from pacha.server.command_filter import is_repository
from pacha.server.moving import FolderEntry
from pacha.store.repository_dir import STORE
from pacha.text import escape

_LOCK = b"lock"
_SECONDS = 30.0  #: a push of what is new takes less
_POLL_SECONDS = 0.1


@contextmanager
def standstill(host: FolderEntry, *, seconds: float = _SECONDS) -> Iterator[None]:
    """Keep everybody from adding to a repository in the folder of ``host`` during the body, even if that renames it.

    Waits for a push that is at work; raises PachaError if one still is after so many ``seconds``. Raises OSError.
    """
    deadline, folder = time.monotonic() + seconds, os.open(host.name, DIRECTORY, dir_fd=host.above)
    with ExitStack() as held:
        held.callback(os.close, folder)
        descent = held.enter_context(DirectoryFds(b"/proc/self/fd/%d" % folder))
        stores = [os.fsencode(f"{name}/{STORE}") for name in sorted(os.listdir(folder)) if is_repository(name)]
        for store in filter(partial(_is_store, descent), stores):
            times = os.fstat(descent.directory(store))
            _take(descent, store, deadline)
            held.callback(_release, descent, store, (times.st_atime_ns, times.st_mtime_ns))
        yield


def _is_store(descent: DirectoryFds, store: bytes) -> bool:
    """Whether it exists, without a link on the way: through ``pacha serve``, Mercurial writes to no other."""
    try:
        return descent.directory(store) >= 0
    except OSError:
        return False


def _take(descent: DirectoryFds, store: bytes, deadline: float) -> None:
    while True:
        try:
            os.symlink(_prefix() + b":%d" % os.getpid(), _LOCK, dir_fd=descent.directory(store))
            return
        except FileExistsError:
            if _break(descent.directory(store)):
                continue
            if time.monotonic() >= deadline:
                raise _busy(descent.directory(store)) from None
            time.sleep(_POLL_SECONDS)


def _break(store: int) -> bool:
    """Remove the lock of a process of this machine that is gone; whether the lock is worth another try."""
    try:
        prefix, _, process = os.readlink(_LOCK, dir_fd=store).rpartition(b":")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    if prefix != _prefix() or not process.isdigit() or _lives(int(process)):
        return False
    with suppress(FileNotFoundError):
        os.unlink(_LOCK, dir_fd=store)
    return True


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _release(descent: DirectoryFds, store: bytes, times: tuple[int, int]) -> None:
    """Remove the lock; the folder is as it was before, its ``times`` (nanoseconds) too."""
    with suppress(OSError):
        os.unlink(_LOCK, dir_fd=descent.directory(store))
        os.utime(descent.directory(store), ns=times)


def _prefix() -> bytes:
    return os.fsencode(socket.gethostname()) + b"/%x" % os.stat("/proc/self/ns/pid").st_ino


def _busy(store: int) -> PachaError:
    lock = escape(os.readlink(b"/proc/self/fd/%d" % store) + b"/" + _LOCK)
    return PachaError(
        "A push is at work.",
        f"it holds {lock}",
        "Run this again when it has ended (the lock names its process), or with --now, which cuts it off.",
        code="host-busy",
    )
