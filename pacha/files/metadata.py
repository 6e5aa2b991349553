"""Entries: everything that ``lstat`` and the extended attributes say of a path.

Extended attributes are read through ``/proc/self/fd/N/NAME``: the at-family of calls has no listxattrat
before Linux 6.13, and a plain path could be swapped for a symlink on its way (path_resolution(7)).
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import stat
from dataclasses import dataclass
from enum import Enum

from pacha.files.owners import Accounts
from pacha.text import escape


class Kind(str, Enum):
    """The type of a path, by the letter that ``find -printf %y`` uses (find(1))."""

    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "l"
    FIFO = "p"
    CHARACTER = "c"
    BLOCK = "b"
    SOCKET = "s"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path as it was found: everything that makes it what it is, except the content itself.

    ``path`` is absolute bytes; ``mode`` the twelve permission bits (07777); ``owner`` and ``group`` are
    names (bytes), or None where the number had no name; ``mtime_ns`` nanoseconds since the epoch;
    ``size`` in bytes (0 unless a file); ``sha256`` 32 raw bytes of a file's content, else None;
    ``target`` of a symlink; ``link_group`` a number shared by all names of one inode, None for a file
    with one name; ``device`` ``st_rdev`` of a device node; ``xattrs`` sorted (name, value) pairs,
    ACLs and capabilities among them; ``flags`` of ioctl_iflags(2); ``stored`` the name under which
    the content repository holds it (None: content is not in a repository); ``parts`` how many parts
    hold it (0: kept whole).
    """

    path: bytes
    kind: Kind
    mode: int
    uid: int
    gid: int
    owner: bytes | None
    group: bytes | None
    mtime_ns: int
    size: int = 0
    sha256: bytes | None = None
    target: bytes | None = None
    link_group: int | None = None
    device: int | None = None
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    flags: int = 0
    stored: bytes | None = None
    parts: int = 0


_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFSOCK: Kind.SOCKET,
}
_FS_IOC_GETFLAGS = 0x80086601  # linux/fs.h, 64-bit
#: The flags of ioctl_iflags(2) that a person sets with chattr(1) and expects to find again:
#: secure deletion, undelete, synchronous, immutable, append-only, nodump, noatime, no-tail, dirsync, no-CoW.
KEPT_FLAGS = 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x8000 | 0x10000 | 0x800000
_NO_XATTRS = {errno.ENOTSUP, errno.ENOSYS, errno.EPERM}


def kind_of(mode: int) -> Kind:
    """The kind that ``st_mode`` says. Raises ValueError for one that Linux does not have."""
    try:
        return _KINDS[stat.S_IFMT(mode)]
    except KeyError:
        raise ValueError(f"unknown file type in mode {mode:o}") from None


def observe(name: bytes, dir_fd: int, path: bytes, names: Accounts) -> Entry:
    """All that can be said of ``name`` in the directory ``dir_fd``, as the Entry of ``path``; nothing is read.

    Raises FileNotFoundError when it is not there and OSError when it cannot be looked at.
    """
    return from_stat(os.stat(name, dir_fd=dir_fd, follow_symlinks=False), name, dir_fd, path, names)


def from_stat(found: os.stat_result, name: bytes, dir_fd: int, path: bytes, names: Accounts) -> Entry:
    """The Entry of ``name`` in ``dir_fd`` whose lstat is ``found``, without its content's hash.

    ``link_group`` is the inode number for a file with several names; the caller numbers the groups.
    """
    kind = kind_of(found.st_mode)
    several = found.st_nlink > 1 and kind is not Kind.DIRECTORY
    return Entry(
        path=path,
        kind=kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        owner=names.user_name(found.st_uid),
        group=names.group_name(found.st_gid),
        mtime_ns=found.st_mtime_ns,
        size=found.st_size if kind is Kind.FILE else 0,
        target=os.readlink(name, dir_fd=dir_fd) if kind is Kind.SYMLINK else None,
        link_group=found.st_ino if several else None,
        device=found.st_rdev if kind in (Kind.CHARACTER, Kind.BLOCK) else None,
        xattrs=read_xattrs(name, dir_fd),
        flags=read_flags(name, dir_fd) if kind in (Kind.FILE, Kind.DIRECTORY) else 0,
    )


def read_xattrs(name: bytes, dir_fd: int) -> tuple[tuple[bytes, bytes], ...]:
    """The extended attributes of ``name`` in ``dir_fd``, sorted; () where the file system has none."""
    place = b"/proc/self/fd/%d/%s" % (dir_fd, name)
    try:
        listed = os.listxattr(place, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return ()
        raise
    if not listed:
        return ()
    return tuple(sorted((os.fsencode(x), os.getxattr(place, x, follow_symlinks=False)) for x in listed))


def read_flags(name: bytes, dir_fd: int) -> int:
    """The inode flags (ioctl_iflags(2)) of a file or directory that chattr(1) sets; 0 where unknown."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError:
        return 0  # unreadable: reported where the content is read
    try:
        buffer = array.array("l", [0])
        fcntl.ioctl(fd, _FS_IOC_GETFLAGS, buffer, True)
        return buffer[0] & KEPT_FLAGS
    except OSError:
        return 0  # not every file system has them
    finally:
        os.close(fd)


class Aspect(Enum):
    """What of an entry may differ."""

    KIND = "type"
    SIZE = "size"
    CONTENT = "content"
    TARGET = "target"
    MODE = "mode"
    OWNER = "owner"
    GROUP = "group"
    ATTRIBUTE = "attribute"
    TIME = "time"
    DEVICE = "device"
    FLAGS = "inode flags"
    LINKS = "hard links"


@dataclass(frozen=True, slots=True)
class Change:
    """One aspect that differs: what it was and is, where that can be said in a word; of an attribute its ``name``."""

    aspect: Aspect
    values: str = ""
    name: bytes = b""

    def __str__(self) -> str:
        """In words, safe to print."""
        return " ".join(filter(None, [self.aspect.value, escape(self.name), self.values]))


def differences(old: Entry, new: Entry) -> list[Change]:
    """What made ``old`` into ``new``; [] when nothing did. Pure."""
    if old.kind is not new.kind:
        return [Change(Aspect.KIND, f"{old.kind.value} -> {new.kind.value}")]
    changes = []
    if old.size != new.size:
        changes.append(Change(Aspect.SIZE, f"{old.size} -> {new.size}"))
    elif old.sha256 != new.sha256:
        changes.append(Change(Aspect.CONTENT))
    if old.target != new.target:
        changes.append(Change(Aspect.TARGET, f"{escape(old.target or b'')} -> {escape(new.target or b'')}"))
    if old.mode != new.mode:
        changes.append(Change(Aspect.MODE, f"{old.mode:04o} -> {new.mode:04o}"))
    if (old.uid, old.owner) != (new.uid, new.owner):
        changes.append(Change(Aspect.OWNER, f"{_account(old.owner, old.uid)} -> {_account(new.owner, new.uid)}"))
    if (old.gid, old.group) != (new.gid, new.group):
        changes.append(Change(Aspect.GROUP, f"{_account(old.group, old.gid)} -> {_account(new.group, new.gid)}"))
    changes += [Change(Aspect.ATTRIBUTE, name=name) for name in _changed(dict(old.xattrs), dict(new.xattrs))]
    plain = {"mtime_ns": Aspect.TIME, "device": Aspect.DEVICE, "flags": Aspect.FLAGS, "link_group": Aspect.LINKS}
    return changes + [Change(aspect) for name, aspect in plain.items() if getattr(old, name) != getattr(new, name)]


def _account(name: bytes | None, number: int) -> str:
    return f"{escape(name)} ({number})" if name is not None else str(number)


def _changed(old: dict[bytes, bytes], new: dict[bytes, bytes]) -> list[bytes]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
