"""An entry: all that is recorded of one path."""

from __future__ import annotations

import os
import stat
from enum import Enum
from typing import NamedTuple

Holes = tuple[tuple[int, int], ...]
SMALLEST_HOLE = 64 * 1024  #: bytes; no holes are looked for in a smaller file, nor in fewer zeros
MOST_HOLES = 256  #: no more are recorded; the last one stands for all that follow
EVERYWHERE: Holes = ((0, 2**63 - 1),)  #: a file has holes, but nobody recorded where


class Kind(str, Enum):
    """The type of a path, by the letter that ``find -printf %y`` uses (find(1))."""

    FILE = "f"
    DIRECTORY = "d"
    SYMLINK = "l"
    FIFO = "p"
    CHARACTER = "c"
    BLOCK = "b"
    SOCKET = "s"


class Entry(NamedTuple):
    """One path: all of its metadata, and the hash of its content.

    A tuple: a frozen dataclass takes four times as long to make, and a push and a rebuild make one for every path.

    ``path`` is absolute bytes; ``mode`` the twelve permission bits (07777); ``owner`` and ``group`` are
    names (bytes), or None where the number had no name; ``mtime_ns`` nanoseconds since the epoch;
    ``size`` in bytes (0 unless a file); ``sha256`` 32 raw bytes of a file's content, else None;
    ``target`` of a symlink; ``link_group`` a number shared by all names of one inode, None for a file
    with one name; ``device`` ``st_rdev`` of a device node; ``xattrs`` sorted (name, value) pairs,
    ACLs and capabilities among them; ``flags`` of ioctl_iflags(2); ``stored`` the name under which
    the content repository holds it (None: content is not in a repository); ``parts`` how many parts
    hold it (0: kept whole); ``holes`` where a file may have some (offset, length), None where that is not known or does
    not matter; ``project`` the number of the project of a file or directory (0: none), None where that is not known
    or its file system has none; ``sealed``, where the repository holds the content sealed: the SHA-256 of what it holds
    and the id of a key (``files.keyed``), then ``sha256`` is the digest under that key; b"" where it is still to be
    sealed.
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
    holes: Holes | None = None
    project: int | None = None
    sealed: bytes | None = None


_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFSOCK: Kind.SOCKET,
}


def kind_of(mode: int) -> Kind:
    """The kind in an ``st_mode``. Raises ValueError for one that Linux does not have."""
    try:
        return _KINDS[stat.S_IFMT(mode)]
    except KeyError:
        raise ValueError(f"unknown file type in mode {mode:o}") from None


def matches(known: Entry, status: os.stat_result) -> bool:
    """Whether the lstat of ``known`` may have been ``status``."""
    return (
        known.mode == status.st_mode & 0o7777
        and known.uid == status.st_uid
        and known.gid == status.st_gid
        and known.mtime_ns == status.st_mtime_ns
        and (known.kind is not Kind.FILE or known.size == status.st_size)
    )


def as_recorded(entry: Entry, known: Entry | None) -> Entry:
    """``entry`` without the project 0 where ``known``, from an earlier version, has no project recorded.

    So no path looks changed only because this version records more.
    """
    unknown = known is not None and known.project is None and entry.project == 0
    return entry._replace(project=None) if unknown else entry
