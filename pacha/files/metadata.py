"""Make the entry of a path: what ``lstat``, the extended attributes and the inode flags say of it.

Extended attributes are read through ``/proc/self/fd/N/NAME``: Linux has no listxattrat before 6.13, and a directory of
a plain path could be replaced by a symlink meanwhile (path_resolution(7)).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from pacha.errors import Concern
from pacha.files.dirfd import open_file, open_to_read
from pacha.files.entry import MOST_HOLES, SMALLEST_HOLE, Entry, Holes, Kind, kind_of
from pacha.files.owners import Accounts
from pacha.files.user_namespace import OVERFLOW, is_partial, is_unmapped_group, is_unmapped_user
from pacha.system import inode_flags
from pacha.system.mounts import may_have_projects
from pacha.text import escape

FLAGS = b"inode flags"  #: no extended attribute can have this name
#: The names of extended attributes that cannot be read, and why; b"" stands for the list of them, FLAGS for the flags.
Unread = dict[bytes, str]
#: The flags of ioctl_iflags(2) that a person sets with chattr(1) and expects to find again:
#: secure deletion, undelete, synchronous, immutable, append-only, nodump, noatime, not compressed, no-tail, dirsync,
#: top of directories, no-CoW, project of its directory.
KEPT_FLAGS = 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x400 | 0x8000 | 0x10000 | 0x20000 | 0x800000 | 0x20000000
_NO_XATTRS = {errno.ENOTSUP, errno.ENOSYS, errno.EPERM}
#: Errors of a file system without flags (ioctl(2)), and of a file that may not be opened: reading it reports that.
_NO_FLAGS = {errno.ENOTTY, errno.EINVAL, errno.EACCES} | _NO_XATTRS
_UNREAD = {b"": "the names of its attributes", FLAGS: "its inode flags"}


def observe(name: bytes, dir_fd: int, path: bytes, names: Accounts, unread: Unread | None = None) -> Entry:
    """The Entry of ``name`` in the directory ``dir_fd``, whose absolute path is ``path``; its content is not read.

    ``unread`` as in ``read_xattrs``. Raises FileNotFoundError where it does not exist, and OSError.
    """
    return from_stat(os.stat(name, dir_fd=dir_fd, follow_symlinks=False), name, dir_fd, path, names, unread)


def from_stat(
    status: os.stat_result,
    name: bytes,
    dir_fd: int,
    path: bytes,
    names: Accounts,
    unread: Unread | None = None,
    *,
    must_open: bool = False,
) -> Entry:
    """The Entry of ``name`` in ``dir_fd`` whose lstat is ``status``, without the hash of its content.

    ``link_group`` is the inode number for a file with several names; the caller numbers the groups. ``must_open``:
    raise OSError for a file that cannot be opened for reading, or is not a regular file any more.
    """
    kind = kind_of(status.st_mode)
    several = status.st_nlink > 1 and kind is not Kind.DIRECTORY
    is_file = kind is Kind.FILE
    fd = _opened(name, dir_fd, unread, must_open and is_file) if is_file or kind is Kind.DIRECTORY else None
    try:
        flags, project = read_flags(fd, status.st_dev, unread) if fd is not None else (0, None)
        return Entry(
            path=path,
            kind=kind,
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            owner=None if is_unmapped_user(status, name, dir_fd) else names.user_name(status.st_uid),
            group=None if is_unmapped_group(status) else names.group_name(status.st_gid),
            mtime_ns=status.st_mtime_ns,
            size=status.st_size if is_file else 0,
            target=os.readlink(name, dir_fd=dir_fd) if kind is Kind.SYMLINK else None,
            link_group=status.st_ino if several else None,
            device=status.st_rdev if kind in (Kind.CHARACTER, Kind.BLOCK) else None,
            xattrs=read_xattrs(name, dir_fd, unread, fd),
            flags=flags,
            holes=_holes(status, fd) if is_file and status.st_size >= SMALLEST_HOLE else None,
            project=project,
        )
    finally:
        if fd is not None:
            os.close(fd)


def as_owned(entry: Entry, status: os.stat_result, names: Accounts) -> Entry:
    """``entry`` with mode and owner of the file that was read, which may have taken the place of the scanned one."""
    mode, uid, gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    if (mode, uid, gid) == (entry.mode, entry.uid, entry.gid):
        return entry
    is_unmapped = uid == OVERFLOW and is_partial()
    owner = entry.owner if uid == entry.uid else None if is_unmapped else names.user_name(uid)
    group = entry.group if gid == entry.gid else None if is_unmapped_group(status) else names.group_name(gid)
    return entry._replace(mode=mode, uid=uid, gid=gid, owner=owner, group=group)


def _opened(name: bytes, dir_fd: int, unread: Unread | None, must_be_file: bool) -> int | None:
    """A descriptor of the file or directory ``name``; None where it may not be opened, unless it ``must_be_file``."""
    if must_be_file:
        return open_file(name, dir_fd)
    try:
        return open_to_read(name, dir_fd)
    except OSError as error:
        if error.errno not in _NO_FLAGS:
            _note(error, FLAGS, unread)
        return None


def read_xattrs(
    name: bytes, dir_fd: int, unread: Unread | None = None, fd: int | None = None
) -> tuple[tuple[bytes, bytes], ...]:
    """The extended attributes of ``name`` in ``dir_fd``, sorted; () where the file system has none.

    Those that cannot be read are put into ``unread``; if that is None, it raises OSError. ``fd``: a descriptor of
    ``name``, with which it takes an eighth of the time.
    """
    place = b"/proc/self/fd/%d/%s" % (dir_fd, name) if fd is None else fd
    follow = fd is not None  # a descriptor has no link to follow
    try:
        listed = os.listxattr(place, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _NO_XATTRS:
            _note(error, b"", unread)
        return ()
    pairs = []
    for attribute in listed:
        try:
            pairs.append((os.fsencode(attribute), os.getxattr(place, attribute, follow_symlinks=follow)))
        except OSError as error:
            if error.errno != errno.ENODATA or attribute in os.listxattr(place, follow_symlinks=follow):
                _note(error, os.fsencode(attribute), unread)  # else it was removed since it was listed
    return tuple(sorted(pairs))


def _note(error: OSError, attribute: bytes, unread: Unread | None) -> None:
    if unread is None or isinstance(error, FileNotFoundError):
        raise error
    unread[attribute] = error.strerror or str(error)


def keep_attributes(entry: Entry, known: Entry | None, unread: Unread) -> tuple[Entry, list[Concern]]:
    """``entry`` with those of the ``unread`` attributes that are ``known``, and a concern for each of them."""
    kept = {name: value for name, value in (known.xattrs if known else ()) if name in unread or b"" in unread}
    concerns = []
    for attribute, why in unread.items():
        what = _UNREAD.get(attribute) or f"its attribute {escape(attribute)}"
        concerns.append(Concern(entry.path, f"{what} cannot be read: {why}; all else is kept"))
    flagged = known if known and FLAGS in unread else entry
    xattrs = tuple(sorted((kept | dict(entry.xattrs)).items()))
    return entry._replace(flags=flagged.flags, project=flagged.project, xattrs=xattrs), concerns


def _holes(status: os.stat_result, fd: int | None) -> Holes | None:
    """The holes of a file (lseek(2)); () where all of its blocks are written or reserved (fallocate(2))."""
    if status.st_blocks * 512 >= status.st_size:
        return ()
    if fd is None:
        return None  # unreadable: reported when its content is read
    try:
        return tuple(_find_holes(fd, status.st_size))
    except OSError:
        return None


def _find_holes(fd: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    for number in range(1, MOST_HOLES + 1):
        start = os.lseek(fd, end, os.SEEK_HOLE) if end < size else size
        if start >= size:
            return
        end = _find_data(fd, start, size) if number < MOST_HOLES else size
        yield start, end - start


def _find_data(fd: int, start: int, size: int) -> int:
    """The end of a hole; ``size`` for the last one. Raises OSError, also for an impossible answer."""
    try:
        end = os.lseek(fd, start, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size
    if end <= start:
        raise OSError(errno.EINVAL, "a hole without an end")
    return min(end, size)


def read_flags(fd: int, device: int, unread: Unread | None = None) -> tuple[int, int | None]:
    """The inode flags (ioctl_iflags(2)) of a file or directory that chattr(1) sets, and its project; 0, None: none.

    ``device`` is its st_dev; ``unread`` as in ``read_xattrs``.
    """
    try:
        flags = inode_flags.flags(fd) & KEPT_FLAGS
        return flags, inode_flags.project(fd) if may_have_projects(device) else None
    except OSError as error:
        if error.errno not in _NO_FLAGS:
            _note(error, FLAGS, unread)
        return 0, None
