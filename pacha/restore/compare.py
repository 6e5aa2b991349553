"""Compare a wanted entry with the actual one, and find what makes a change impossible. Pure: no I/O."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from pacha.files import paths
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.restore.ownership import ACLS, CAPABILITY, Attributes
from pacha.text import escape

IMMUTABLE, APPEND_ONLY, OF_A_PROJECT = 0x10, 0x20, 0x20000000  # FS_..._FL and FS_PROJINHERIT_FL: ioctl_iflags(2)
#: The letters of chattr(1) for the bits that are recorded (metadata.KEPT_FLAGS).
_LETTERS = {
    0x1: "s", 0x2: "u", 0x8: "S", IMMUTABLE: "i", APPEND_ONLY: "a", 0x40: "d", 0x80: "A", 0x400: "m", 0x8000: "t",
    0x10000: "D", 0x20000: "T", 0x800000: "C", OF_A_PROJECT: "P",
}  # fmt: skip
#: Flags that a new inode does not get: the first two would block the rebuild itself, ``projects`` sets the third.
_BY_HAND = IMMUTABLE | APPEND_ONLY | OF_A_PROJECT
#: Attributes that the kernel, its security modules and overlayfs create (xattr(7)).
_OF_THE_SYSTEM = (b"security.", b"system.", b"trusted.overlay.")
DEVICES = (Kind.CHARACTER, Kind.BLOCK)


def content_differs(wanted: Entry, actual: Entry) -> str:
    """Return in words how the contents of two entries of one kind differ ('' if they do not)."""
    if wanted.kind is Kind.SYMLINK and wanted.target != actual.target:
        return f"link {escape(actual.target or b'')} -> {escape(wanted.target or b'')}"
    if wanted.kind in DEVICES and wanted.device != actual.device:
        return "device number"
    if wanted.kind is not Kind.FILE:
        return ""
    if wanted.size != actual.size:
        return f"size {actual.size} -> {wanted.size}"
    same = wanted.size == 0 or (wanted.sha256 is not None and wanted.sha256 == actual.sha256)
    return "" if same else "content"


def metadata_differs(given: Attributes, actual: Entry, accounts: Accounts) -> str:
    """Return in words, old -> new, how ``actual`` differs from the attributes ``given`` ('' if it does not)."""
    parts = []
    if given.mode != actual.mode and actual.kind is not Kind.SYMLINK:  # a symlink has no mode of its own
        parts.append(f"mode {actual.mode:04o} -> {given.mode:04o}")
    if given.uid != actual.uid:
        parts.append(f"owner {_account(actual.uid, accounts.user_name)} -> {_account(given.uid, accounts.user_name)}")
    if given.gid != actual.gid:
        parts.append(f"group {_account(actual.gid, accounts.group_name)} -> {_account(given.gid, accounts.group_name)}")
    if given.xattrs != actual.xattrs:
        parts += _xattr_differences(given, actual)
    if given.mtime_ns != actual.mtime_ns:
        parts.append(f"time {moment(actual.mtime_ns)} -> {moment(given.mtime_ns)}")
    return ", ".join(parts)


def moment(mtime_ns: int) -> str:
    """Return a time (nanoseconds since the epoch) as text in UTC, without zeros at the end of its fraction."""
    seconds, nanoseconds = divmod(mtime_ns, 10**9)
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + fraction
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}{fraction}"  # beyond the calendar


def removable(name: bytes) -> bool:
    """Whether an unwanted extended attribute is removed: all but those that the system creates."""
    return name in ACLS or name == CAPABILITY or not name.startswith(_OF_THE_SYSTEM)


def _account(number: int, name_of: Callable[[int], bytes | None]) -> str:
    name = name_of(number)
    return str(number) if name is None else f"{escape(name)} ({number})"


def _xattr_differences(given: Attributes, actual: Entry) -> list[str]:
    wanted, present = dict(given.xattrs), dict(actual.xattrs)
    names = {name for name in wanted if wanted[name] != present.get(name)}
    names |= {name for name in present if name not in wanted and removable(name)}
    return [f"{escape(name)} {_value(present.get(name))} -> {_value(wanted.get(name))}" for name in sorted(names)]


def _value(value: bytes | None) -> str:
    if value is None:
        return "none"
    return (
        f"'{escape(value)}'" if len(value) <= 40 and value.isascii() and b"\0" not in value else f"0x{value[:32].hex()}"
    )


def wanted_flags(wanted: Entry, actual: Entry | None) -> str:
    """Return in words the recorded inode flags and project that a person has to set ('' if none).

    ``actual`` is None for a new inode. An earlier Pacha recorded ``+P`` without the number of the project.
    """
    lost = wanted.flags & (_BY_HAND if actual is None else ~actual.flags)
    more = actual.flags & ~wanted.flags if actual is not None else 0
    if actual is None and wanted.project is not None:
        lost &= ~OF_A_PROJECT
    if wanted.project is None:
        more &= ~OF_A_PROJECT  # it comes with a number, of which nothing is known
    is_other = actual is not None and wanted.project not in (None, actual.project or 0)
    project = f" -p {wanted.project}" if is_other else ""
    if not (lost or more or project):
        return ""
    unknown = ", and its project (chattr -p)" if lost & OF_A_PROJECT and wanted.project is None else ""
    command = f"{' +' + letters(lost) if lost else ''}{' -' + letters(more) if more else ''}{project}"
    return f"had chattr{command}: set it by hand{unknown}"


def letters(flags: int) -> str:
    """Return inode flags as chattr(1) writes them."""
    return "".join(letter for bit, letter in _LETTERS.items() if flags & bit)


def settable(flags: int) -> tuple[int, ...]:
    """Return the flags, one bit each, that a new inode gets of the recorded ``flags``."""
    return tuple(bit for bit in _LETTERS if flags & bit & ~_BY_HAND) if flags else ()


def unmovable(actual: Entry) -> str:
    """Return in words why ``actual`` can be neither replaced nor moved ('' if nothing is known)."""
    return "what is there is immutable or append-only (lsattr)" if actual.flags & (IMMUTABLE | APPEND_ONLY) else ""


def hindrance(wanted: Entry, actual: Entry | None, parent: Entry | None, *, renames: bool, root: bool) -> str:
    """Return in words why ``wanted`` cannot be restored ('' if nothing is known).

    ``renames``: a name in ``parent`` changes; ``root``: root restores it.
    """
    if wanted.kind is Kind.SOCKET:
        return "sockets are made by their services"
    if wanted.kind in DEVICES and not root and actual is None:
        return "only root can make a device node"
    if actual is not None and (stop := unmovable(actual)):
        return stop
    if renames and parent is not None and parent.flags & (IMMUTABLE if actual is None else IMMUTABLE | APPEND_ONLY):
        return "its directory is immutable or append-only (lsattr)"
    return ""


def relinked(wanted: Sequence[Entry], actual: Mapping[bytes, Entry], *, root: bool) -> frozenset[bytes]:
    """Return the paths of wrong hard links, without those that are wrong only because another name cannot change."""
    wrong = misplaced(wanted, actual)
    fixed = {entry.path for entry in wanted if entry.path in wrong and _is_fixed(entry, actual, root)}
    if not fixed:
        return wrong
    return wrong & (fixed | misplaced([entry for entry in wanted if entry.path not in fixed], actual))


def _is_fixed(entry: Entry, actual: Mapping[bytes, Entry], root: bool) -> bool:
    parent = actual.get(paths.parent(entry.path))
    return bool(hindrance(entry, actual.get(entry.path), parent, renames=True, root=root))


def misplaced(wanted: Sequence[Entry], actual: Mapping[bytes, Entry]) -> frozenset[bytes]:
    """Return the paths whose hard links on disk are not the wanted ones.

    One misplaced name makes its whole group misplaced, because all names of a group must be one inode.
    """
    wanted_sets = _names([entry for entry in wanted if entry.kind is not Kind.DIRECTORY])
    actual_sets = _names([entry for entry in actual.values() if entry.kind is not Kind.DIRECTORY])
    wrong: set[bytes] = set()
    for entry in wanted:
        if entry.path in actual and entry.kind is not Kind.DIRECTORY and entry.path not in wrong:
            present = actual[entry.path]
            names = wanted_sets.get(entry.link_group, frozenset({entry.path}))
            actual_names = actual_sets.get(present.link_group, frozenset({entry.path}))
            has_other_names = entry.link_group is None and present.link_group is not None
            if has_other_names or names != actual_names or any(name not in actual for name in names):
                wrong |= names
    return frozenset(wrong)


def _names(entries: Sequence[Entry]) -> dict[int | None, frozenset[bytes]]:
    groups: dict[int | None, set[bytes]] = defaultdict(set)
    for entry in entries:
        if entry.link_group is not None:
            groups[entry.link_group].add(entry.path)
    return {group: frozenset(members) for group, members in groups.items()}
