"""Compare a wanted entry with the one on disk, and say what stands in its way. Pure."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from pacha.files.metadata import Entry, Kind
from pacha.files.owners import Accounts
from pacha.restore.ownership import ACLS, CAPABILITY, Attributes
from pacha.text import escape

IMMUTABLE, APPEND_ONLY = 0x10, 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL: ioctl_iflags(2)
#: The letters of chattr(1) for the bits that are recorded (metadata.KEPT_FLAGS).
_LETTERS = {
    0x1: "s", 0x2: "u", 0x8: "S", IMMUTABLE: "i", APPEND_ONLY: "a", 0x40: "d", 0x80: "A", 0x8000: "t",
    0x10000: "D", 0x800000: "C",
}  # fmt: skip
#: Labels that the kernel and its security modules make by themselves (xattr(7)), overlayfs among them.
_OF_THE_SYSTEM = (b"security.", b"system.", b"trusted.overlay.")
DEVICES = (Kind.CHARACTER, Kind.BLOCK)


def content_differs(wanted: Entry, found: Entry) -> str:
    """Return in words how two entries of the same kind differ in what they hold ('' if they do not)."""
    if wanted.kind is Kind.SYMLINK and wanted.target != found.target:
        return f"link {escape(found.target or b'')} -> {escape(wanted.target or b'')}"
    if wanted.kind in DEVICES and wanted.device != found.device:
        return "device number"
    if wanted.kind is not Kind.FILE:
        return ""
    if wanted.size != found.size:
        return f"size {found.size} -> {wanted.size}"
    same = wanted.size == 0 or (wanted.sha256 is not None and wanted.sha256 == found.sha256)
    return "" if same else "content"


def metadata_differs(given: Attributes, found: Entry, accounts: Accounts) -> str:
    """Return in words how ``found`` differs from what it is to be given, old -> new ('' if it does not).

    ``accounts`` name the numbers.
    """
    parts = []
    if given.mode != found.mode and found.kind is not Kind.SYMLINK:  # a symlink has no mode of its own
        parts.append(f"mode {found.mode:04o} -> {given.mode:04o}")
    if given.uid != found.uid:
        parts.append(f"owner {_who(found.uid, accounts.user_name)} -> {_who(given.uid, accounts.user_name)}")
    if given.gid != found.gid:
        parts.append(f"group {_who(found.gid, accounts.group_name)} -> {_who(given.gid, accounts.group_name)}")
    if given.xattrs != found.xattrs:
        parts += _xattr_differences(given, found)
    if given.mtime_ns != found.mtime_ns:
        parts.append(f"time {moment(found.mtime_ns)} -> {moment(given.mtime_ns)}")
    return ", ".join(parts)


def moment(mtime_ns: int) -> str:
    """Return a time (nanoseconds since the epoch) in UTC, to the last digit that counts."""
    seconds, nanoseconds = divmod(mtime_ns, 10**9)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + fraction
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}{fraction}"  # a year that no calendar of ours has


def removable(name: bytes) -> bool:
    """Whether an extended attribute that is not wanted is taken away: not a label that the system made."""
    return name in ACLS or name == CAPABILITY or not name.startswith(_OF_THE_SYSTEM)


def _who(number: int, name_of: Callable[[int], bytes | None]) -> str:
    name = name_of(number)
    return str(number) if name is None else f"{escape(name)} ({number})"


def _xattr_differences(given: Attributes, found: Entry) -> list[str]:
    wanted, present = dict(given.xattrs), dict(found.xattrs)
    names = {name for name in wanted if wanted[name] != present.get(name)}
    names |= {name for name in present if name not in wanted and removable(name)}
    return [f"{escape(name)} {_value(present.get(name))} -> {_value(wanted.get(name))}" for name in sorted(names)]


def _value(value: bytes | None) -> str:
    if value is None:
        return "none"
    return (
        f"'{escape(value)}'" if len(value) <= 40 and value.isascii() and b"\0" not in value else f"0x{value[:32].hex()}"
    )


def wanted_flags(wanted: Entry, found: Entry | None) -> str:
    """Return in words the inode flags that were recorded and are not set here ('' if none)."""
    lost = wanted.flags & ~(found.flags if found is not None else 0)
    letters = "".join(letter for bit, letter in _LETTERS.items() if lost & bit)
    return f"had chattr +{letters}: to be set by hand" if letters else ""


def unmovable(found: Entry) -> str:
    """Return in words why what is there can be neither replaced nor moved ('' if nothing that can be seen)."""
    return "what is there is immutable or append-only (lsattr)" if found.flags & (IMMUTABLE | APPEND_ONLY) else ""


def hindrance(wanted: Entry, found: Entry | None, parent: Entry | None, *, renames: bool, root: bool) -> str:
    """Return in words what makes a change at ``wanted`` impossible ('' if nothing that can be seen).

    ``renames`` tells whether a name in ``parent`` is to change, ``root`` whether root does it.
    """
    if wanted.kind is Kind.SOCKET:
        return "sockets are made by their services"
    if wanted.kind in DEVICES and not root and found is None:
        return "only root can make a device node"
    if found is not None and (stop := unmovable(found)):
        return stop
    if renames and parent is not None and parent.flags & (IMMUTABLE if found is None else IMMUTABLE | APPEND_ONLY):
        return "its directory is immutable or append-only (lsattr)"
    return ""


def misplaced(wanted: Sequence[Entry], found: Mapping[bytes, Entry]) -> frozenset[bytes]:
    """Return the paths whose wanted set of names for one inode is not the set found on disk.

    A whole group is misplaced when one of its members is, since all are to be one inode with one content
    and one set of metadata.
    """
    wanted_sets = _names([entry for entry in wanted if entry.kind is not Kind.DIRECTORY])
    found_sets = _names([entry for entry in found.values() if entry.kind is not Kind.DIRECTORY])
    wrong: set[bytes] = set()
    for entry in wanted:
        if entry.path in found and entry.kind is not Kind.DIRECTORY and entry.path not in wrong:
            here = found[entry.path]
            names = wanted_sets.get(entry.link_group, frozenset({entry.path}))
            actual = found_sets.get(here.link_group, frozenset({entry.path}))
            lonely = entry.link_group is None and here.link_group is not None
            if lonely or names != actual or _unlike(names, found):
                wrong |= names
    return frozenset(wrong)


def _unlike(names: frozenset[bytes], found: Mapping[bytes, Entry]) -> bool:
    return any(name not in found for name in names)


def _names(entries: Sequence[Entry]) -> dict[int | None, frozenset[bytes]]:
    groups: dict[int | None, set[bytes]] = defaultdict(set)
    for entry in entries:
        if entry.link_group is not None:
            groups[entry.link_group].add(entry.path)
    return {group: frozenset(paths) for group, paths in groups.items()}
