"""Walk the local file systems of this machine, or of the root of another that is mounted below a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from pacha.errors import Concern
from pacha.files import paths
from pacha.files.names import is_pachas_own
from pacha.system.mounts import Mount, mounts

#: File systems whose owners are not this machine's to say: those of the kernel's own and those of others.
_NOT_LOCAL = frozenset(
    b"proc sysfs devpts cgroup cgroup2 securityfs debugfs tracefs bpf pstore mqueue hugetlbfs autofs binfmt_misc "
    b"configfs efivarfs fusectl rpc_pipefs nsfs nfs nfs4 cifs smb3 9p ceph glusterfs afs lustre ncpfs coda".split()
)
#: What a rescue system lends to the root that it has mounted: nobody expects its owners to change.
_LENT = frozenset([b"tmpfs", b"devtmpfs", b"ramfs"])


@dataclass(frozen=True, slots=True)
class Boundary:
    """The mount points at which a walk stops, and in words those at which a person might expect it to go on."""

    skipped: frozenset[bytes]
    concerns: tuple[Concern, ...] = ()


def boundary(root: bytes) -> Boundary:
    """Where a walk of ``root`` ends: at what is not local, and below a folder at what is mounted outside it, too.

    The latter is this machine's (``mount --bind /dev /mnt/dev``), not the other root's. Raises OSError.
    """
    every = list(mounts())
    if all(mount.path != b"/" for mount in every):  # as in a chroot: it is not known which part of it is seen
        every.append(_whole_system(os.stat(b"/").st_dev))
    outside = [mount for mount in every if not paths.is_within(mount.path, root)]
    below = [mount for mount in every if mount.path != root and paths.is_within(mount.path, root)]
    shared = [mount for mount in below if any(_overlap(mount, other) for other in outside)]
    skipped = {mount.path for mount in below if not _is_local(mount)} | {mount.path for mount in shared}
    words = "its files keep their numbers: this file system is mounted outside the target, too"
    named = (mount.path for mount in shared if _is_local(mount) and mount.kind not in _LENT)
    return Boundary(frozenset(skipped), tuple(Concern(path, words) for path in dict.fromkeys(named)))


def walk(root: bytes, skipped: frozenset[bytes]) -> Iterator[tuple[bytes, int, bytes, os.stat_result]]:
    """Every path below ``root``: its directory, that one's descriptor, its name, its lstat. No link is followed."""
    pending = [root]
    while pending:
        directory = pending.pop()
        below = paths.prefix(directory)
        try:
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # gone, or longer than a path can be
        try:
            with os.scandir(fd) as listing:
                for item in listing:
                    name = os.fsencode(item.name)
                    path = below + name
                    if path in skipped or is_pachas_own(name):
                        continue
                    try:
                        found = item.stat(follow_symlinks=False)
                    except OSError:
                        continue  # it went away while its directory was read
                    if stat.S_ISDIR(found.st_mode):
                        pending.append(path)
                    yield directory, fd, name, found
        except OSError:
            continue  # it went away while it was read
        finally:
            os.close(fd)


def _whole_system(device: int) -> Mount:
    return Mount(b"/", b"", b"%d:%d" % (os.major(device), os.minor(device)))


def _is_local(mount: Mount) -> bool:
    return mount.kind not in _NOT_LOCAL and not mount.kind.startswith(b"fuse")


def _overlap(mount: Mount, other: Mount) -> bool:
    """Whether both show the same files: subvolumes of one file system need not."""
    same = mount.device == other.device
    return same and (paths.is_within(mount.root, other.root) or paths.is_within(other.root, mount.root))
