"""How a wanted entry differs from the one on disk, in words, and what stands in its way. Pure."""

from __future__ import annotations

from pacha.files.metadata import Entry, Kind
from pacha.files.names import shown
from pacha.restore.ownership import ACLS, CAPABILITY, Attributes

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
        return f"link {shown(found.target or b'')} -> {shown(wanted.target or b'')}"
    if wanted.kind in DEVICES and wanted.device != found.device:
        return "device number"
    if wanted.kind is not Kind.FILE:
        return ""
    if wanted.size != found.size:
        return f"size {found.size} -> {wanted.size}"
    same = wanted.size == 0 or (wanted.sha256 is not None and wanted.sha256 == found.sha256)
    return "" if same else "content"


def metadata_differs(given: Attributes, found: Entry) -> str:
    """Return in words how ``found`` differs from what it is to be given ('' if it does not)."""
    parts = []
    if given.mode != found.mode and found.kind is not Kind.SYMLINK:  # a symlink has no mode of its own
        parts.append(f"mode {found.mode:04o} -> {given.mode:04o}")
    if given.uid != found.uid:
        parts.append(f"owner {found.uid} -> {given.uid}")
    if given.gid != found.gid:
        parts.append(f"group {found.gid} -> {given.gid}")
    if given.xattrs != found.xattrs and not _same_xattrs(given, found):
        parts.append("extended attributes")
    if given.mtime_ns != found.mtime_ns:
        parts.append("time")
    return ", ".join(parts)


def removable(name: bytes) -> bool:
    """Whether an extended attribute that is not wanted is taken away: not a label that the system made."""
    return name in ACLS or name == CAPABILITY or not name.startswith(_OF_THE_SYSTEM)


def _same_xattrs(given: Attributes, found: Entry) -> bool:
    wanted, present = dict(given.xattrs), dict(found.xattrs)
    unwanted = [name for name in present if name not in wanted and removable(name)]
    return not unwanted and all(present.get(name) == value for name, value in wanted.items())


def wanted_flags(wanted: Entry, found: Entry | None) -> str:
    """Return in words the inode flags that were recorded and are not set here ('' if none)."""
    lost = wanted.flags & ~(found.flags if found is not None else 0)
    letters = "".join(letter for bit, letter in _LETTERS.items() if lost & bit)
    return f"had chattr +{letters}: to be set by hand" if letters else ""


def hindrance(wanted: Entry, found: Entry | None, parent: Entry | None, *, root: bool) -> str:
    """Return in words what makes a change at ``wanted`` impossible ('' if nothing that can be seen)."""
    if wanted.kind is Kind.SOCKET:
        return "sockets are made by their services"
    if wanted.kind in DEVICES and not root and found is None:
        return "only root can make a device node"
    if found is not None and found.flags & (IMMUTABLE | APPEND_ONLY):
        return "what is there is immutable or append-only (lsattr)"
    if found is None and parent is not None and parent.flags & IMMUTABLE:
        return "its directory is immutable (lsattr)"
    return ""
