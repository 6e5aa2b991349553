"""Set owner, mode, attributes and time of one inode, in an order that never grants too much access.

An existing inode is held by an O_PATH descriptor and changed through its /proc/self/fd name (proc(5)): that works for
every type, symbolic links included, and nobody can replace the inode meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import ParamSpec

from pacha.files.entry import Kind, kind_of
from pacha.restore.compare import letters, removable, settable
from pacha.restore.ownership import ACLS, PRIVATE, SETID, Attributes
from pacha.system import inode_flags
from pacha.text import escape

_NEEDED = 0o300  #: of the owner's bits, to change names in a directory
_EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})

_ACCESS_ACL, _DEFAULT_ACL = b"system.posix_acl_access", b"system.posix_acl_default"

_Args = ParamSpec("_Args")
Reference = int | bytes  # a real descriptor, or the /proc/self/fd name of an O_PATH one


class Changed(OSError):
    """The path has changed since the plan was made."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ESTALE, reason)


def exhausted(error: OSError) -> bool:
    """Whether ``error`` concerns the disk and not just a path, so that it stops a rebuild.

    An exceeded quota stops a plain user's rebuild; in root's it concerns only the files of one account.
    """
    of_an_account = error.errno == errno.EDQUOT and os.geteuid() == 0
    return error.errno in _EXHAUSTED and not of_an_account


@contextmanager
def open_inode(name: bytes, dir_fd: int) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield a reference to the inode ``name`` in ``dir_fd`` (of a link itself), and its status. Raises OSError."""
    # Whoever may not search a directory cannot open "." in it, even if it is his own.
    fd = os.dup(dir_fd) if name == b"." else os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        yield b"/proc/self/fd/%d" % fd, os.fstat(fd)
    finally:
        os.close(fd)


def is_closed_to_owner(status: os.stat_result) -> bool:
    """Whether it is this plain user's directory, and only its mode keeps the user from changing names in it."""
    own = status.st_uid == os.geteuid() != 0
    return own and stat.S_ISDIR(status.st_mode) and status.st_mode & _NEEDED != _NEEDED


def set_attributes(reference: Reference, kind: Kind, wanted: Attributes) -> list[str]:
    """Set the attributes of a new inode, which is still private. Return in words those that could not be set.

    The order: the owner, because chown(2) clears setuid and capabilities; the ACLs; the mode, whose group bits are the
    mask of an ACL and would let the owning group in without it; the time. Raises OSError only for faults that stop a
    rebuild (``exhausted``).
    """
    troubles: list[str] = []
    owned = _attempt(troubles, "owner", os.chown, reference, wanted.uid, wanted.gid)
    if kind is not Kind.SYMLINK:
        # An ACL inherited from the directory would take effect with the mode.
        bare = all(_drop_acl(troubles, reference, name) for name in _inherited_acls(kind, wanted))
        fits = bare and _set_xattrs(troubles, reference, wanted)
        mode = wanted.mode if owned and fits else wanted.mode & PRIVATE
        _attempt(troubles, "mode", os.chmod, reference, mode)
    else:
        _set_xattrs(troubles, reference, wanted)
    _set_time(troubles, reference, wanted.mtime_ns, wanted.mtime_ns)
    return troubles


def set_flags(fd: int, wanted: Attributes, among: int = ~0) -> list[str]:
    """Give a new inode its ``settable`` flags, those of ``among`` only, and take inherited ones away.

    Return in words those that could not be set. Raises OSError as ``set_attributes`` does.
    """
    troubles: list[str] = []
    for bit in settable(wanted.flags & among):
        _attempt(troubles, f"chattr +{letters(bit)}", inode_flags.add_flag, fd, bit)
    for bit in settable(wanted.inherited & ~wanted.flags & among):
        _attempt(troubles, f"chattr -{letters(bit)}", inode_flags.remove_flag, fd, bit)
    return troubles


def change_attributes(reference: Reference, status: os.stat_result, wanted: Attributes) -> list[str]:
    """Change the attributes of an existing inode with this ``status``. Return in words those that could not be set.

    At no instant has anybody access that they had neither before nor have in the end: first the mode is reduced to the
    bits that both share, without setuid; then comes the rest. Raises OSError as ``set_attributes`` does.
    """
    troubles, fits = list[str](), True
    has_mode = kind_of(status.st_mode) is not Kind.SYMLINK
    before, present = stat.S_IMODE(status.st_mode), _xattr_names(reference)
    unwanted = present - {name for name, _ in wanted.xattrs}
    moving = (status.st_uid, status.st_gid) != (wanted.uid, wanted.gid)
    if has_mode and (moving or present or wanted.xattrs):
        narrow = before & wanted.mode & ~SETID
        if narrow != before:
            _attempt(troubles, "mode", os.chmod, reference, narrow)
    if moving:
        fits = _attempt(troubles, "owner", os.chown, reference, wanted.uid, wanted.gid)
    for name in sorted(filter(removable, unwanted)):
        _attempt(troubles, escape(name), _remove_xattr, reference, name)
    fits = _set_xattrs(troubles, reference, wanted) and fits
    if has_mode:
        _attempt(troubles, "mode", os.chmod, reference, wanted.mode if fits else wanted.mode & PRIVATE)
    _set_time(troubles, reference, status.st_atime_ns, wanted.mtime_ns)
    return troubles


def stamp(reference: Reference, status: os.stat_result, mtime_ns: int) -> list[str]:
    """Set only the modification time (nanoseconds); keep the access time in ``status``. Return in words what failed."""
    troubles: list[str] = []
    _set_time(troubles, reference, status.st_atime_ns, mtime_ns)
    return troubles


def read_xattrs(reference: Reference) -> tuple[tuple[bytes, bytes], ...]:
    """Return the extended attributes of an inode, sorted; () where they are not supported or may not be listed."""
    return tuple((name, os.getxattr(reference, name)) for name in sorted(_xattr_names(reference)))


def explain(error: OSError) -> str:
    """Return the cause of an error in words, without a path."""
    return (error.strerror or str(error)).lower()


def _attempt(
    troubles: list[str], attribute: str, change: Callable[_Args, object], *args: _Args.args, **named: _Args.kwargs
) -> bool:
    try:
        change(*args, **named)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and exhausted(error):
            raise
        cause = explain(error) if isinstance(error, OSError) else "out of range"
        troubles.append(f"{attribute} not set: {cause}")
        return False
    return True


def _inherited_acls(kind: Kind, wanted: Attributes) -> Sequence[bytes]:
    acls = (_ACCESS_ACL, _DEFAULT_ACL) if kind is Kind.DIRECTORY else (_ACCESS_ACL,)
    if not wanted.xattrs:
        return acls
    names = {name for name, _ in wanted.xattrs}
    return [acl for acl in acls if acl not in names]


def _drop_acl(troubles: list[str], reference: Reference, name: bytes) -> bool:
    try:
        os.removexattr(reference, name)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            return _attempt(troubles, escape(name), os.removexattr, reference, name)
    return True


def _set_xattrs(troubles: list[str], reference: Reference, wanted: Attributes) -> bool:
    """Set all extended attributes. Return False where an ACL failed: the mode's group bits would grant too much."""
    fits = True
    for name, value in wanted.xattrs:
        is_set = _attempt(troubles, escape(name), _set_xattr, reference, name, value)
        fits = fits and (is_set or name not in ACLS)
    return fits


def _set_xattr(reference: Reference, name: bytes, value: bytes) -> None:
    try:
        os.setxattr(reference, name, value)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            # On ext4 it may mean that the value is too long, although the disk has room (ext4(5)). If the disk is
            # full, writing the next content will show it.
            raise OSError(errno.E2BIG, f"no room for its {len(value)} bytes") from error
        raise


def _remove_xattr(reference: Reference, name: bytes) -> None:
    try:
        os.removexattr(reference, name)
    except OSError as error:
        if error.errno != errno.ENODATA:  # chown(2) took a capability away
            raise


def _set_time(troubles: list[str], reference: Reference, atime_ns: int, mtime_ns: int) -> None:
    _attempt(troubles, "time", os.utime, reference, ns=(atime_ns, mtime_ns))


def _xattr_names(reference: Reference) -> set[bytes]:
    try:
        return {os.fsencode(name) for name in os.listxattr(reference)}
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM, errno.EACCES):
            return set()
        raise
