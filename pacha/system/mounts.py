"""The mounts of this machine (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

#: The types of file systems whose content the kernel generates. They hold no user's files.
OF_THE_KERNEL = frozenset(
    b"apparmorfs binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs functionfs "
    b"fuse.lxcfs fusectl hugetlbfs mqueue nfsd nsfs proc pstore resctrl rpc_pipefs securityfs selinuxfs smackfs spufs "
    b"sysfs tracefs".split()
)
#: The types of file systems that have projects: xfs(5), ext4(5) and f2fs.
_WITH_PROJECTS = frozenset({b"xfs", b"ext4", b"f2fs"})


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount: the absolute path of its mount point and the type of its file system, both bytes.

    ``device`` (``major:minor``) identifies the file system; ``root`` is the folder in it that is mounted; ``source`` is
    what was named at the mount (often a path below /dev).
    """

    path: bytes
    kind: bytes
    device: bytes = b""
    root: bytes = b"/"
    source: bytes = b""

    @property
    def number(self) -> int:
        """The ``device`` as a number, like st_dev of stat(2)."""
        major, _, minor = self.device.partition(b":")
        return os.makedev(int(major or 0), int(minor or 0))


def mounts() -> Iterator[Mount]:
    """Yield every mount that this process sees. Raises OSError where /proc is missing."""
    return read_mounts("/proc/self/mountinfo")


def read_mounts(mountinfo: str | Path) -> Iterator[Mount]:
    """Yield every mount in a file of that format. Raises OSError where it cannot be read."""
    with open(mountinfo, "rb") as lines:
        for line in lines:
            before, _, after = line.partition(b" - ")
            fields, (kind, source, *_) = before.split(b" "), [*after.split(b" ", 2), b""]
            yield Mount(_unescaped(fields[4]), kind, fields[2], _unescaped(fields[3]), _unescaped(source))


@cache
def may_have_projects(device: int) -> bool:
    """Whether inodes of the file system ``device`` (st_dev) may have a project; False without /proc.

    The answer is kept, so that the inodes of most file systems need not be asked for one.
    """
    try:
        return any(mount.number == device and mount.kind in _WITH_PROJECTS for mount in mounts())
    except OSError:
        return False


def mount_id(fd: int) -> int:
    """Return the ID of the mount through which ``fd`` was opened (proc_pid_fdinfo(5)). Raises OSError without /proc.

    rename(2) and link(2) never cross a mount. A bind mount has an ID of its own, although ``st_dev`` is the same.
    """
    with open(f"/proc/self/fdinfo/{fd}", "rb") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith(b"mnt_id:")), 0)


def _unescaped(path: bytes) -> bytes:
    return path.decode("unicode_escape").encode("latin-1")
