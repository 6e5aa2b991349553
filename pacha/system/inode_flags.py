"""The flags of an inode (chattr(1)) and its project, by which quotas count (ioctl_iflags(2), xfsctl(3))."""

from __future__ import annotations

import errno
import fcntl
import struct

_GETXATTR, _SETXATTR = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR: linux/fs.h
_FSXATTR = struct.Struct("=5I8x")  # fsx_xflags, fsx_extsize, fsx_nextents, fsx_projid, fsx_cowextsize
_INHERIT = 0x200  # FS_XFLAG_PROJINHERIT
#: The errors of a file system that has no such thing.
_UNSUPPORTED = frozenset({errno.ENOTTY, errno.ENOTSUP, errno.EINVAL})


def stop_inheritance(fd: int) -> None:
    """Let what comes into the directory ``fd`` keep its project (chattr -P).

    Into a directory that gives its own to what is in it, rename(2) and link(2) let nothing of another one: EXDEV.
    Raises OSError.
    """
    try:
        fields = list(_FSXATTR.unpack(fcntl.ioctl(fd, _GETXATTR, bytes(_FSXATTR.size))))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return
        raise
    if fields[0] & _INHERIT:
        fields[0] &= ~_INHERIT
        fcntl.ioctl(fd, _SETXATTR, _FSXATTR.pack(*fields))
