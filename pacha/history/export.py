"""Write a snapshot as a tar archive of the PAX form, which GNU tar restores with ACLs and extended attributes.

The keywords are those of GNU tar and star: ``SCHILY.acl.access``, ``SCHILY.acl.default`` (texts of acl(5), with names)
and ``SCHILY.xattr.NAME``; see pax(1) and tar(5).
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from pacha.errors import PurgedError
from pacha.files import acl
from pacha.files.entry import Entry, Kind
from pacha.files.paths import is_within
from pacha.store.snapshot import Snapshot

_BLOCK, _RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE
_TYPES = {
    Kind.FILE: tarfile.REGTYPE, Kind.DIRECTORY: tarfile.DIRTYPE, Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.FIFO: tarfile.FIFOTYPE, Kind.CHARACTER: tarfile.CHRTYPE, Kind.BLOCK: tarfile.BLKTYPE,
}  # fmt: skip
_ACLS = {b"system.posix_acl_access": b"SCHILY.acl.access", b"system.posix_acl_default": b"SCHILY.acl.default"}
_LONGEST_NAME, _MOST_NUMBER, _MOST_SIZE = 99, 8**7, 8**11  #: of a plain header

#: Returns the bytes of a file, in chunks.
Content = Callable[[Entry], Iterable[bytes]]


def selected(snapshot: Snapshot, path: bytes = b"") -> list[Entry]:
    """What ``snapshot`` has at or below ``path`` (b"": everywhere), directories before what is in them."""
    return [snapshot.entries[each] for each in sorted(snapshot.entries) if not path or is_within(each, path)]


def not_in_a_tar(entries: Sequence[Entry]) -> Iterator[tuple[bytes, str]]:
    """The attributes of ``entries`` that an archive cannot hold, each with its path."""
    for entry in entries:
        if entry.flags:
            yield entry.path, "its inode flags (chattr)"
        if entry.project:
            yield entry.path, f"its project {entry.project} (chattr -p)"


def export(
    snapshot: Snapshot, entries: Sequence[Entry], content: Content, purged: list[tuple[bytes, str]]
) -> Iterator[bytes]:
    """Yield the bytes of the archive. Raises what ``content`` raises, except PurgedError.

    Files whose content was purged are left out; each path is added to ``purged`` with the reason.
    """
    names = _AccountNames(snapshot)
    first: dict[int, bytes] = {}
    size = 0
    for entry in entries:
        link = first.get(entry.link_group) if entry.link_group is not None else None
        try:
            chunks = _begun(content(entry)) if entry.kind is Kind.FILE and link is None else None
        except PurgedError as error:
            purged.append((entry.path, error.why))
            continue
        header = _header(entry, names, link)
        size += len(header)
        yield header
        if chunks is not None:
            yield from chunks
            padding = bytes(-entry.size % _BLOCK)
            size += entry.size + len(padding)
            yield padding
        if entry.link_group is not None:
            first.setdefault(entry.link_group, entry.path)
    end = 2 * _BLOCK
    yield bytes(end + -(size + end) % _RECORD)


def _begun(chunks: Iterable[bytes]) -> Iterable[bytes]:
    """``chunks``, after reading the first: a header is written only for content that can be read."""
    rest = iter(chunks)
    return chain([next(rest, b"")], rest)


def _header(entry: Entry, names: _AccountNames, link: bytes | None) -> bytes:
    """The two headers of an entry: that of PAX has all that the plain one has no room for, or that is not ASCII."""
    path, target = entry.path.lstrip(b"/") or b".", link.lstrip(b"/") if link is not None else entry.target or b""
    info = tarfile.TarInfo()
    info.type = _TYPES[entry.kind] if link is None else tarfile.LNKTYPE
    info.mode = entry.mode
    info.size = entry.size if info.type == tarfile.REGTYPE and entry.size < _MOST_SIZE else 0
    info.uid, info.gid = (number if number < _MOST_NUMBER else 0 for number in (entry.uid, entry.gid))
    info.mtime = min(max(0, entry.mtime_ns // 10**9), _MOST_SIZE - 1)
    info.name = _ascii(path, "path")
    info.linkname = _ascii(target, "target")
    if entry.device is not None:
        info.devmajor, info.devminor = os.major(entry.device), os.minor(entry.device)
    sign = b"-" if entry.mtime_ns < 0 else b""
    records = {
        b"path": path,
        b"mtime": b"%s%d.%09d" % (sign, *divmod(abs(entry.mtime_ns), 10**9)),
        b"uid": b"%d" % entry.uid,
        b"gid": b"%d" % entry.gid,
        b"uname": entry.owner or b"",
        b"gname": entry.group or b"",
        **({b"linkpath": target} if target else {}),
        **({b"size": b"%d" % entry.size} if info.type == tarfile.REGTYPE else {}),
        **(_attributes(entry, names) if link is None else {}),
    }
    return _pax_header(records) + info.tobuf(tarfile.USTAR_FORMAT)


def _pax_header(records: Mapping[bytes, bytes]) -> bytes:
    """An extended header. Values are bytes as they are: tarfile would declare those that are not UTF-8 (hdrcharset),
    which GNU tar does not know.
    """
    data = b"".join(_record(keyword, value) for keyword, value in records.items())
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, len(data)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % _BLOCK)


def _record(keyword: bytes, value: bytes) -> bytes:
    """A record of pax(1): its own length in decimal digits, the keyword, the value."""
    rest = b" %s=%s\n" % (keyword, value)
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d%s" % (length, rest)


def _attributes(entry: Entry, names: _AccountNames) -> Mapping[bytes, bytes]:
    """The extended attributes as keywords. An ACL of an unknown form stays an attribute."""
    attributes: dict[bytes, bytes] = {}
    for name, value in entry.xattrs:
        if name in _ACLS and (text := acl.as_text(value, names.user, names.group)):
            attributes[_ACLS[name]] = text
        else:  # as GNU tar encodes a keyword (xheader.c)
            attributes[b"SCHILY.xattr." + name.replace(b"%", b"%25").replace(b"=", b"%3D")] = value
    return attributes


class _AccountNames:
    """The names of the accounts that a snapshot knows, by number; the number itself for any other."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._users: dict[int, bytes] = {}
        self._groups: dict[int, bytes] = {}
        for account in snapshot.accounts:
            (self._groups if account.is_group else self._users).setdefault(account.number, account.name)

    def user(self, number: int) -> bytes:
        return self._users.get(number, b"%d" % number)

    def group(self, number: int) -> bytes:
        return self._groups.get(number, b"%d" % number)


def _ascii(name: bytes, otherwise: str) -> str:
    """``name`` if a plain header has room for it, else the word ``otherwise``."""
    return name.decode("ascii") if name.isascii() and len(name) <= _LONGEST_NAME else otherwise
