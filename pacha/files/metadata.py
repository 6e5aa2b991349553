"""Entries: all that ``lstat`` and the extended attributes say of a path."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
