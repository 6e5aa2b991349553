"""Lock a temporary folder in which one process makes a repository, before that gets its name."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pacha.files.dirfd import DIRECTORY


@contextmanager
def claimed(name: str, folder: int) -> Iterator[bool]:
    """Make or empty ``name`` in ``folder`` (a descriptor) for the body alone; yields whether no other process has it.

    Removes what a killed process left there, and at the end the folder, unless it was renamed. Raises OSError.
    """
    claim = _claim(name, folder)
    try:
        yield claim is not None
    finally:
        if claim is not None:
            with suppress(OSError):
                if _is_at(claim, name, folder):
                    remove(name, folder)
            os.close(claim)


def remove(name: str, folder: int) -> None:
    """Remove ``name`` in ``folder`` (a descriptor) with its content, if it exists. Follows no link. Raises OSError."""
    with suppress(FileNotFoundError):
        shutil.rmtree(f"/proc/self/fd/{folder}/{name}")


def _claim(name: str, folder: int) -> int | None:
    """Make or empty the folder ``name`` and lock it until the descriptor is closed; None if another process has it.

    The holder of the lock may rename or remove the folder. So check afterwards that it still has this name.
    """
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=folder)
    claim = os.open(name, DIRECTORY, dir_fd=folder)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(claim, name, folder):
            for leftover in os.listdir(claim):
                remove(leftover, claim)
            return claim
    except BlockingIOError:
        pass
    except BaseException:
        os.close(claim)
        with suppress(OSError):  # for example on NFS, which cannot lock folders
            os.rmdir(name, dir_fd=folder)
        raise
    os.close(claim)
    return None


def _is_at(claim: int, name: str, folder: int) -> bool:
    try:
        return os.path.samestat(os.fstat(claim), os.stat(name, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False
