"""Check that a host's repository on the master has only files and folders, and no link that leads out."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

from pacha.errors import DamagedError
from pacha.files.dirfd import DIRECTORY, DirectoryFds
from pacha.text import escape
from pacha.wire.local_store import linked
from pacha.wire.master import HG, STORE

LOOK_THERE = "Look at the host's folder on the master."
_LOCKS = (f"{HG}/wlock", f"{STORE}/lock")
#: Names in a half-made repository (mercurial/localrepo.py, createrepository).
_HALF_MADE = frozenset([HG, "store", "cache", "wcache", "requires", "00changelog.i"])


def check_own(descent: DirectoryFds, name: str) -> None:
    """Raise DamagedError if the repository ``name`` below ``descent`` is a link, or has one in it.

    Raises OSError where it cannot be read.
    """
    path = f"{name}/{HG}"
    try:
        folder = descent.directory(os.fsencode(path))
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise linked(os.fsencode(path)) from None
    check_plain(folder, path)


def check_plain(fd: int, path: str) -> None:
    """Raise DamagedError for a link, or anything but files and folders, below the folder ``fd``.

    Mercurial's lock is an exception: a link that nothing follows (lock.py).
    """
    with os.scandir(fd) as entries:
        for entry in entries:
            inside = f"{path}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                below = os.open(entry.name, DIRECTORY, dir_fd=fd)
                try:
                    check_plain(below, inside)
                finally:
                    os.close(below)
            elif not entry.is_file(follow_symlinks=False) and inside.partition("/")[2] not in _LOCKS:
                raise DamagedError(
                    f"{escape(inside)} is neither a file nor a folder.",
                    "",
                    LOOK_THERE,
                    code="special-file-in-host-folder",
                )


def check_half_made(descent: DirectoryFds, name: str) -> None:
    """Raise DamagedError unless ``name`` is a half-made repository without history."""
    inside = os.listdir(descent.directory(os.fsencode(name)))
    for place in (HG, STORE) if HG in inside else ():
        with suppress(FileNotFoundError):
            inside += os.listdir(descent.directory(os.fsencode(f"{name}/{place}")))
    if not set(inside) <= _HALF_MADE:
        raise DamagedError(
            f"{name} is not a repository, and not empty.",
            "its .hg/requires is missing",
            LOOK_THERE,
            code="repository-incomplete",
        )
