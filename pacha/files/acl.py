"""POSIX ACLs as extended attributes: read the ids in them, and replace ids. Pure.

The format is that of linux/posix_acl_xattr.h: a little-endian u32 version 2, then entries of u16 tag,
u16 permissions and u32 id; only the tags ACL_USER and ACL_GROUP mean their id (acl(5)).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

ATTRIBUTES = frozenset([b"system.posix_acl_access", b"system.posix_acl_default"])
_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_USER, _GROUP = 0x02, 0x08
_WORDS = {0x01: b"user", _USER: b"user", 0x04: b"group", _GROUP: b"group", 0x10: b"mask", 0x20: b"other"}
_ALL = 0o7  #: rwx

Xattrs = tuple[tuple[bytes, bytes], ...]
#: From a recorded id to the one to use on this machine; None where it has no such account.
Map = Callable[[int], int | None]


def numbers(xattrs: Xattrs) -> tuple[set[int], set[int]]:
    """The user ids and the group ids in the ACLs among ``xattrs``."""
    entries = [entry for name, value in xattrs if name in ATTRIBUTES for entry in _entries(value)]
    return {i for tag, _, i in entries if tag == _USER}, {i for tag, _, i in entries if tag == _GROUP}


def mapped(xattrs: Xattrs, user: Map, group: Map) -> tuple[Xattrs, tuple[str, ...]]:
    """``xattrs`` with mapped ids in their ACLs, and the entries whose id maps to None, in words.

    Those entries are left out, so that no other account gets their permissions.
    """
    if not any(name in ATTRIBUTES for name, _ in xattrs):
        return xattrs, ()
    result: list[tuple[bytes, bytes]] = []
    lost: list[str] = []
    for name, value in xattrs:
        if name in ATTRIBUTES and _entries(value):
            value, unmapped = _map_one(value, user, group)
            lost += unmapped
        result.append((name, value))
    return tuple(result), tuple(dict.fromkeys(lost))


def as_text(value: bytes, user: Callable[[int], bytes], group: Callable[[int], bytes]) -> bytes:
    """The ACL in ``value`` in the short form of acl(5), with the names of ids; b"" where its format is unknown."""
    words = []
    for tag, permissions, number in _entries(value):
        if tag not in _WORDS or permissions > _ALL:
            return b""
        name = user(number) if tag == _USER else group(number) if tag == _GROUP else b""
        letters = b"".join(letter if permissions & bit else b"-" for letter, bit in ((b"r", 4), (b"w", 2), (b"x", 1)))
        words.append(b"%s:%s:%s" % (_WORDS[tag], name, letters))
    return b",".join(words)


def _map_one(value: bytes, user: Map, group: Map) -> tuple[bytes, list[str]]:
    entries: dict[tuple[int, int], int] = {}
    lost: list[str] = []
    for tag, permissions, number in _entries(value):
        map_id = {_USER: user, _GROUP: group}.get(tag)
        new = number if map_id is None else map_id(number)
        if new is None:
            lost.append(f"{'user' if tag == _USER else 'group'} {number}")
        else:
            # Where two accounts become one, it has one entry (acl(5)), with the permissions that both had.
            entries[tag, new] = entries.get((tag, new), permissions) & permissions
    # setfacl and the kernel write the entries of a tag in ascending order of their ids.
    packed = (_ENTRY.pack(tag, entries[tag, number], number) for tag, number in sorted(entries))
    return _VERSION + b"".join(packed), lost


def _entries(value: bytes) -> list[tuple[int, int, int]]:
    if value[:4] != _VERSION or (len(value) - 4) % _ENTRY.size:
        return []  # an unknown format: the attribute stays as it is
    return list(_ENTRY.iter_unpack(value[4:]))
