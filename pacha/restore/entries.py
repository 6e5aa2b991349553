"""Create an entry under a temporary name, and replace one entry by another."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from pacha.errors import DamagedError
from pacha.files.dirfd import CREATE, DIRECTORY
from pacha.files.entry import EVERYWHERE, SMALLEST_HOLE, Entry, Kind, kind_of
from pacha.restore.holes import HoleWriter
from pacha.restore.inode import Changed, open_inode, set_attributes, set_flags
from pacha.restore.ownership import Attributes
from pacha.restore.relocate import displace, relocate, rename
from pacha.system import syscalls
from pacha.text import escape

Inode = tuple[int, int]  # st_dev, st_ino

_ONLY_WHEN_EMPTY = 0x800000  # FS_NOCOW_FL: btrfs accepts it only for an empty file (chattr(1))
_FORMATS = {Kind.FIFO: 0o010000, Kind.CHARACTER: 0o020000, Kind.BLOCK: 0o060000}  # inode(7)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A new entry: the attributes that could not be set (in words), and its inode; None for a file with one name."""

    troubles: tuple[str, ...]
    inode: Inode | None = None


def inode_of(status: os.stat_result) -> Inode:
    """Return the device and the number of an inode, which identify it."""
    return status.st_dev, status.st_ino


def make_file(name: bytes, dir_fd: int, entry: Entry, wanted: Attributes, chunks: Iterator[bytes]) -> NewEntry:
    """Write a new file ``name`` in ``dir_fd`` from ``chunks``.

    Until it is complete it has mode 0600 and this process's owner. Raises OSError, and DamagedError where the size or
    the SHA-256 of the content is not that of ``entry``.
    """
    fd = os.open(name, CREATE, 0o600, dir_fd=dir_fd)
    try:
        set_flags(fd, wanted, _ONLY_WHEN_EMPTY)  # a failure is reported below
        _fill(fd, entry, chunks)
        troubles = [*set_flags(fd, wanted), *set_attributes(fd, Kind.FILE, wanted)]
        return NewEntry(tuple(troubles), None if entry.link_group is None else inode_of(os.fstat(fd)))
    finally:
        os.close(fd)


def make_other(name: bytes, dir_fd: int, entry: Entry, wanted: Attributes) -> NewEntry:
    """Make a new symbolic link, FIFO or device node ``name`` in ``dir_fd``. Raises OSError."""
    if entry.kind is Kind.SYMLINK:
        os.symlink(entry.target or b"", name, dir_fd=dir_fd)
    else:
        os.mknod(name, _FORMATS[entry.kind] | 0o600, entry.device or 0, dir_fd=dir_fd)
    with open_inode(name, dir_fd) as (reference, status):
        # The directory may be another user's: change nothing but the inode made above.
        if kind_of(status.st_mode) is not entry.kind or status.st_nlink != 1 or status.st_uid != os.geteuid():
            raise Changed("somebody else changed the directory meanwhile")
        return NewEntry(tuple(set_attributes(reference, entry.kind, wanted)), inode_of(status))


def make_directory(name: bytes, dir_fd: int) -> None:
    """Make a private directory ``name`` in ``dir_fd``. Raises OSError (FileExistsError where the name exists)."""
    os.mkdir(name, 0o700, dir_fd=dir_fd)
    if os.geteuid() != 0:  # a default ACL of its directory may take from its owner what he needs to fill it
        with open_inode(name, dir_fd) as (reference, status):
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
                os.chmod(reference, 0o700)


def finish_directory(name: bytes, dir_fd: int, wanted: Attributes) -> list[str]:
    """Set the attributes of a directory made by this process. Return in words what was not set. Raises OSError."""
    with open_inode(name, dir_fd) as (reference, status):
        if kind_of(status.st_mode) is not Kind.DIRECTORY or status.st_uid != os.geteuid():
            raise Changed("somebody else changed the directory meanwhile")
        flagged = _set_flags(name, dir_fd, status, wanted) if wanted.flags or wanted.inherited else []
        return flagged + set_attributes(reference, Kind.DIRECTORY, wanted)


def _set_flags(name: bytes, dir_fd: int, status: os.stat_result, wanted: Attributes) -> list[str]:
    """Call ``set_flags`` for a directory that is still private; ioctl(2) refuses an O_PATH descriptor."""
    fd = os.open(name, DIRECTORY, dir_fd=dir_fd)
    try:
        if inode_of(os.fstat(fd)) != inode_of(status):
            raise Changed("somebody else changed the directory meanwhile")
        return set_flags(fd, wanted)
    finally:
        os.close(fd)


def make_link(name: bytes, dir_fd: int, source: bytes, source_fd: int, inode: Inode) -> None:
    """Link ``inode``, which is ``source`` in ``source_fd``, as ``name`` in ``dir_fd``. Raises OSError (Changed)."""
    os.link(source, name, src_dir_fd=source_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
    if inode_of(os.stat(name, dir_fd=dir_fd, follow_symlinks=False)) != inode:
        os.unlink(name, dir_fd=dir_fd)
        raise Changed("somebody else changed the directory meanwhile")


def put(name: bytes, new: bytes, dir_fd: int) -> bool:
    """Rename ``new`` to ``name`` in the same directory; if that exists, return False instead. Raises OSError."""
    try:
        syscalls.rename_new(new, dir_fd, name, dir_fd)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in syscalls.UNSUPPORTED:
            raise
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            return False
        os.rename(new, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    return True


def swap(name: bytes, new: bytes, dir_fd: int, kept: bytes, kept_fd: int, *, directories: bool) -> None:
    """Replace ``name`` by ``new``, and keep the original as ``kept`` in ``kept_fd``.

    The original is linked as ``kept`` before the rename, so that ``name`` always exists. With ``directories`` (one of
    the two is a directory) the names are exchanged instead; where the file system cannot do that, ``name`` is missing
    for an instant. Raises OSError, and then ``name`` is unchanged.
    """
    if not directories and _link(name, dir_fd, kept, kept_fd):
        try:
            os.rename(new, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        except OSError:
            os.unlink(kept, dir_fd=kept_fd)
            raise
    elif _exchange(name, new, dir_fd):
        try:
            rename(new, dir_fd, kept, kept_fd)
        except OSError:
            _exchange(name, new, dir_fd)
            raise
    else:
        displace(name, dir_fd, kept, kept_fd)
        try:
            os.rename(new, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        except OSError:
            relocate(kept, kept_fd, name, dir_fd)
            raise


def discard(name: bytes, dir_fd: int) -> None:
    """Remove ``name`` and, if it is a directory, all below it; follow no link. It may be missing. Raises OSError."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):  # unlink(2): POSIX says EPERM for a directory
            raise
        _discard_tree(name, dir_fd)


def discard_new(name: bytes, dir_fd: int, old: Inode | None) -> None:
    """Remove a temporary ``name`` as ``discard`` does, unless an interrupted run left the original ``old`` there."""
    try:
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return
    if inode_of(status) != old:
        discard(name, dir_fd)


def _discard_tree(name: bytes, dir_fd: int) -> None:
    """Remove a directory tree of any depth with three open descriptors: directories inside are moved up."""
    fd = _open_own(name, dir_fd)
    try:
        while below := _empty(fd):
            for nested in below:
                _lift(nested, fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=dir_fd)


def _open_own(name: bytes, dir_fd: int) -> int:
    """Open a directory to be emptied; make it writable first for a plain user who owns it."""
    if os.geteuid() != 0:
        with open_inode(name, dir_fd) as (reference, status):
            if kind_of(status.st_mode) is Kind.DIRECTORY and status.st_uid == os.geteuid():
                os.chmod(reference, 0o700)
    return os.open(name, DIRECTORY, dir_fd=dir_fd)


def _empty(fd: int) -> list[bytes]:
    """Unlink everything in ``fd`` but its directories. Return their names."""
    directories = []
    for item in os.listdir(fd):
        name = os.fsencode(item)
        try:
            os.unlink(name, dir_fd=fd)
        except IsADirectoryError:
            directories.append(name)
    return directories


def _lift(name: bytes, fd: int) -> None:
    """Empty the directory ``name`` in ``fd``, moving directories in it up into ``fd``, and remove it."""
    inner = _open_own(name, fd)
    try:
        for nested in _empty(inner):
            os.close(_open_own(nested, inner))  # moving a directory needs write permission in it
            os.rename(nested, secrets.token_hex(16).encode(), src_dir_fd=inner, dst_dir_fd=fd)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=fd)


def _fill(fd: int, entry: Entry, chunks: Iterator[bytes]) -> None:
    unknown = EVERYWHERE if entry.size >= SMALLEST_HOLE else ()
    digest, size, holes = hashlib.sha256(), 0, unknown if entry.holes is None else entry.holes
    writer = HoleWriter(fd, holes)
    write = writer.write if holes else partial(syscalls.write_all, fd)
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        write(chunk)
        if size > entry.size:
            break
    if size != entry.size or (entry.sha256 is not None and digest.digest() != entry.sha256):
        raise DamagedError(
            f"The content of {escape(entry.path)} differs from the snapshot.",
            f"{size} bytes where {entry.size} were expected" if size != entry.size else "its sha256 differs",
            "Nothing was changed; try an older snapshot with --at.",
            code="fetched-content-changed",
        )
    if holes:
        writer.finish()


def _link(name: bytes, dir_fd: int, kept: bytes, kept_fd: int) -> bool:
    try:
        os.link(name, kept, src_dir_fd=dir_fd, dst_dir_fd=kept_fd, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:
        return False  # hard links not supported, too many, or not permitted (protected_hardlinks, proc_sys_fs(5))
    return True


def _exchange(name: bytes, new: bytes, dir_fd: int) -> bool:
    try:
        syscalls.exchange(name, dir_fd, new, dir_fd)
    except OSError as error:
        if error.errno not in (*syscalls.UNSUPPORTED, errno.EXDEV):
            raise
        return False
    return True
