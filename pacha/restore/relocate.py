"""Move an original to its backup directory and back, even where rename(2) refuses a directory.

On overlayfs a directory of a lower layer cannot be renamed (EXDEV): it is made again, and everything in it is moved.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from pacha.files.dirfd import DIRECTORY
from pacha.files.entry import Kind
from pacha.restore.inode import Changed, is_closed_to_owner, open_inode, read_xattrs, set_attributes, stamp
from pacha.restore.ownership import PRIVATE, Attributes

_REFUSED = frozenset({errno.EXDEV, errno.ENOTEMPTY, errno.EEXIST})
_DEEPEST = 200  # levels, each with two descriptors


def displace(name: bytes, dir_fd: int, kept: bytes, kept_fd: int) -> None:
    """Move an original to ``kept``, which does not exist yet. Raises OSError, and then the original is where it was."""
    try:
        relocate(name, dir_fd, kept, kept_fd)
    except OSError:
        with suppress(FileNotFoundError):
            relocate(kept, kept_fd, name, dir_fd)
        raise


def relocate(name: bytes, dir_fd: int, to: bytes, to_fd: int, levels: int = _DEEPEST) -> None:
    """Rename ``name`` in ``dir_fd`` to ``to`` in ``to_fd``. Move a directory that cannot be renamed entry by entry.

    If that is interrupted, the two directories together hold everything, and the same call the other way reverts it.
    Raises OSError.
    """
    try:
        rename(name, dir_fd, to, to_fd)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        is_directory = stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
        if not is_directory or not levels:
            raise
        _move_entries(name, dir_fd, to, to_fd, levels)


def rename(name: bytes, dir_fd: int, to: bytes, to_fd: int) -> None:
    """rename(2), also of a plain user's own read-only directory, whose ``..`` changes by it. Raises OSError."""
    try:
        os.rename(name, to, src_dir_fd=dir_fd, dst_dir_fd=to_fd)
    except PermissionError:
        with open_inode(name, dir_fd) as (reference, status):
            if not is_closed_to_owner(status):
                raise
            mode = stat.S_IMODE(status.st_mode)
            os.chmod(reference, mode | PRIVATE)
            try:
                os.rename(name, to, src_dir_fd=dir_fd, dst_dir_fd=to_fd)
            finally:
                os.chmod(reference, mode)


def _move_entries(name: bytes, dir_fd: int, to: bytes, to_fd: int, levels: int) -> None:
    fd = os.open(name, DIRECTORY, dir_fd=dir_fd)
    try:
        children, mtime_ns = os.listdir(fd), os.fstat(fd).st_mtime_ns
        target = _open_or_make(fd, to, to_fd, is_empty=not children)
        try:
            for child in map(os.fsencode, children):
                relocate(child, fd, child, target, levels - 1)
        finally:
            stamp(target, os.fstat(target), mtime_ns)
            os.close(target)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=dir_fd)


def _open_or_make(source: int, to: bytes, to_fd: int, *, is_empty: bool) -> int:
    """Open the directory ``to``; where it is missing, make it with the attributes of the directory ``source``.

    An existing one is left from an interrupted move, or a trap by another user, who could then read what only the mode
    of ``source`` protects. Raises Changed for a trap, OSError.
    """
    try:
        os.mkdir(to, 0o700, dir_fd=to_fd)
    except FileExistsError:
        target = os.open(to, DIRECTORY, dir_fd=to_fd)
        if not is_empty and os.fstat(target).st_uid not in (os.fstat(source).st_uid, os.geteuid()):
            os.close(target)
            raise Changed("somebody else made a directory in its place") from None
        return target
    target = os.open(to, DIRECTORY, dir_fd=to_fd)
    status = os.fstat(source)
    mode, xattrs = stat.S_IMODE(status.st_mode), read_xattrs(source)
    attributes = Attributes(status.st_uid, status.st_gid, mode, status.st_mtime_ns, xattrs)
    if troubles := set_attributes(target, Kind.DIRECTORY, attributes):
        os.close(target)
        os.rmdir(to, dir_fd=to_fd)
        raise OSError(errno.EXDEV, f"it can be neither renamed nor made again: {', '.join(troubles)}")
    return target
