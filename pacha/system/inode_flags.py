"""The flags of an inode (chattr(1), ioctl_iflags(2)), and the project for whose quota it counts (xfsctl(3))."""

from __future__ import annotations

import array
import errno
import fcntl
import struct

_GETFLAGS, _SETFLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS, FS_IOC_SETFLAGS: linux/fs.h, 64-bit

_GETXATTR, _SETXATTR = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR: linux/fs.h
_FSXATTR = struct.Struct("=5I8x")  # fsx_xflags, fsx_extsize, fsx_nextents, fsx_projid, fsx_cowextsize
_INHERIT = 0x200  # FS_XFLAG_PROJINHERIT
_PROJECT = 3  # the index of fsx_projid
#: The errors of a file system without projects.
_UNSUPPORTED = frozenset({errno.ENOTTY, errno.ENOTSUP, errno.EINVAL})


def flags(fd: int) -> int:
    """Return the flags of the file or directory ``fd`` (not O_PATH). Raises OSError, also where there are none."""
    buffer = array.array("l", [0])
    fcntl.ioctl(fd, _GETFLAGS, buffer, True)
    return buffer[0]


def add_flag(fd: int, flag: int) -> None:
    """Set one more flag. Raises OSError; ENOTSUP also means that the file system accepted the flag and lost it."""
    present = flags(fd)
    if not present & flag:
        fcntl.ioctl(fd, _SETFLAGS, array.array("l", [present | flag]))
        if not flags(fd) & flag:
            raise OSError(errno.ENOTSUP, "not kept by this file system")


def remove_flag(fd: int, flag: int) -> None:
    """Take a flag away. Raises OSError, unless the file system has none."""
    try:
        present = flags(fd)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return
        raise
    if present & flag:
        fcntl.ioctl(fd, _SETFLAGS, array.array("l", [present & ~flag]))


def stop_inheritance(fd: int) -> None:
    """Let files keep their project when they are moved into the directory ``fd`` (chattr -P). Raises OSError.

    rename(2) and link(2) refuse (EXDEV) a file of another project in a directory that passes on its own project.
    """
    try:
        fields = _fields(fd)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return
        raise
    if fields[0] & _INHERIT:
        fields[0] &= ~_INHERIT
        fcntl.ioctl(fd, _SETXATTR, _FSXATTR.pack(*fields))


def project(fd: int) -> int:
    """Return the project of the file or directory ``fd`` (0: none). Raises OSError, also where there are none."""
    return _fields(fd)[_PROJECT]


def set_project(fd: int, number: int, *, inherit: bool | None = None) -> None:
    """Set the project of ``fd``, and whether new entries in it get it too (chattr +P; None: as it is).

    Raises OSError; ENOTSUP also means that the file system accepted the number and lost it.
    """
    fields = _fields(fd)
    passes_on = fields[0] & _INHERIT if inherit is None else inherit * _INHERIT
    wanted = [fields[0] & ~_INHERIT | passes_on, *fields[1:_PROJECT], number, *fields[_PROJECT + 1 :]]
    if fields != wanted:
        fcntl.ioctl(fd, _SETXATTR, _FSXATTR.pack(*wanted))
        now = _fields(fd)
        if now[_PROJECT] != number or (inherit and not now[0] & _INHERIT):
            raise OSError(errno.ENOTSUP, "not kept by this file system")


def _fields(fd: int) -> list[int]:
    return list(_FSXATTR.unpack(fcntl.ioctl(fd, _GETXATTR, bytes(_FSXATTR.size))))
