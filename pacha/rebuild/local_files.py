"""Walk the local file systems of this machine, or of another machine's root that is mounted below a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from pacha.errors import Concern
from pacha.files import paths
from pacha.files.dirfd import DIRECTORY
from pacha.files.names import is_pachas_own
from pacha.system.mounts import Mount, mounts
from pacha.system.presence import ABSENT

#: File systems whose owners this machine does not decide: the kernel's and those of other machines.
_NOT_LOCAL = frozenset(
    b"proc sysfs devpts cgroup cgroup2 securityfs debugfs tracefs bpf pstore mqueue hugetlbfs autofs binfmt_misc "
    b"configfs efivarfs fusectl rpc_pipefs nsfs nfs nfs4 cifs smb3 9p ceph glusterfs afs lustre ncpfs coda".split()
)
#: File systems that a rescue system mounts again below another root: nobody expects their owners to change.
_LENT = frozenset([b"tmpfs", b"devtmpfs", b"ramfs"])


@dataclass(frozen=True, slots=True)
class Boundary:
    """The mount points at which a walk stops, and concerns about those where that may surprise."""

    skipped: frozenset[bytes]
    concerns: tuple[Concern, ...] = ()


def boundary(root: bytes) -> Boundary:
    """Where a walk of ``root`` stops: at file systems that are not local, and at those mounted outside ``root``, too.

    The latter belong to this machine (``mount --bind /dev /mnt/dev``), not to the other root. Raises OSError.
    """
    every = list(mounts())
    if all(mount.path != b"/" for mount in every):  # as in a chroot, where the device of / has no line
        device = os.stat(b"/").st_dev
        every.append(Mount(b"/", b"", b"%d:%d" % (os.major(device), os.minor(device))))
    outside = [mount for mount in every if not paths.is_within(mount.path, root)]
    below = [mount for mount in every if mount.path != root and paths.is_within(mount.path, root)]
    shared = [mount for mount in below if any(_overlap(mount, outer) for outer in outside)]
    skipped = {mount.path for mount in below if not _is_local(mount)} | {mount.path for mount in shared}
    words = "its files keep their numbers: this file system is mounted outside the target, too"
    visible = (mount.path for mount in shared if _is_local(mount) and mount.kind not in _LENT)
    return Boundary(frozenset(skipped), tuple(Concern(path, words) for path in dict.fromkeys(visible)))


def walk(
    root: bytes, skipped: frozenset[bytes], unseen: list[Concern]
) -> Iterator[tuple[bytes, int, bytes, os.stat_result]]:
    """Yield directory, its descriptor, name and lstat of each path below ``root``. Follows no link.

    A path that cannot be looked at is put into ``unseen``, unless it was removed.
    """
    pending = [root]
    while pending:
        directory = pending.pop()
        below = paths.prefix(directory)
        try:
            fd = os.open(directory, DIRECTORY)
        except OSError as error:
            unseen += _unless_removed(directory, error)
            continue
        try:
            with os.scandir(fd) as listing:
                for item in listing:
                    name = os.fsencode(item.name)
                    path = below + name
                    if path in skipped or is_pachas_own(name):
                        continue
                    try:
                        status = item.stat(follow_symlinks=False)
                    except OSError as error:
                        unseen += _unless_removed(path, error)
                        continue
                    if stat.S_ISDIR(status.st_mode):
                        pending.append(path)
                    yield directory, fd, name, status
        except OSError as error:
            unseen += _unless_removed(directory, error)
        finally:
            os.close(fd)


def concern_of(path: bytes, error: OSError) -> Concern:
    """The concern for a path that cannot be looked at, because of ``error``."""
    return Concern(path, f"cannot be looked at, and keeps its numbers: {error.strerror or error}")


def _unless_removed(path: bytes, error: OSError) -> list[Concern]:
    return [] if isinstance(error, ABSENT) else [concern_of(path, error)]


def _is_local(mount: Mount) -> bool:
    return mount.kind not in _NOT_LOCAL and not mount.kind.startswith(b"fuse")


def _overlap(mount: Mount, other_mount: Mount) -> bool:
    """Whether both show the same files; two subvolumes of one file system do not."""
    same = mount.device == other_mount.device
    return same and (paths.is_within(mount.root, other_mount.root) or paths.is_within(other_mount.root, mount.root))
