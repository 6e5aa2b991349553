"""Entries, watched paths and accounts as rows of pacha.db. Pure functions; the row of an entry is as COLUMNS are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pacha.files.entry import EVERYWHERE, Entry, Kind
from pacha.files.owners import Account
from pacha.store.snapshot import Watched

Row = tuple[Any, ...]  #: in the order of COLUMNS
COLUMNS = (
    "path", "kind", "mode", "uid", "gid", "owner", "grp", "mtime_ns", "size", "sha256", "target", "link_group",
    "device", "xattrs", "flags", "stored", "parts", "sparse", "holes", "project", "sealed",
)  # fmt: skip
#: The columns that the first snapshots of this schema did not have, with their types. They may be NULL.
LATER = {"sparse": "INTEGER", "holes": "TEXT", "project": "INTEGER", "sealed": "BLOB"}
SEALED = "sealed"  #: the last column; only databases with a sealed file have it
KINDS = {kind.value: kind for kind in Kind}


def from_entry(entry: Entry) -> tuple[Any, ...]:
    """The row of ``entry``."""
    # a column holds 64 bits, enough up to the year 2262; a later time is stored as decimal digits
    mtime = entry.mtime_ns if -(2**63) <= entry.mtime_ns < 2**63 else b"%d" % entry.mtime_ns
    xattrs = json.dumps([[name.hex(), value.hex()] for name, value in entry.xattrs]) if entry.xattrs else ""
    return (
        entry.path, entry.kind.value, entry.mode, entry.uid, entry.gid, entry.owner, entry.group,
        mtime, entry.size, entry.sha256, entry.target, entry.link_group, entry.device,
        xattrs, entry.flags, entry.stored, entry.parts,
        None if entry.holes is None else int(bool(entry.holes)),
        json.dumps(entry.holes) if entry.holes and entry.holes != EVERYWHERE else None,
        entry.project, entry.sealed,
    )  # fmt: skip


def to_entry(row: Sequence[Any]) -> Entry:
    """The entry of a row of this host's own database."""
    (path, kind, mode, uid, gid, owner, group, mtime_ns, size, sha256, target, link_group, device, xattrs, flags,
     stored, parts, sparse, holes, project, sealed) = row  # fmt: skip
    mode, uid, gid, owner, group = _shared(mode, uid, gid, owner, group)
    if holes is not None:
        holes = tuple((start, length) for start, length in json.loads(holes))
    elif sparse is not None:  # earlier versions recorded only whether there are some
        holes = EVERYWHERE if sparse else ()
    return Entry(  # by place: keyword arguments take three times as long, and every path has an entry
        path, KINDS[kind], mode, uid, gid, owner, group, int(mtime_ns), size, sha256, target, link_group, device,
        to_xattrs(xattrs) if xattrs else (), flags, stored, parts, holes, project, sealed,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _shared(*values: Any) -> tuple[Any, ...]:
    """The first tuple with these ``values``, to save memory: many paths share mode and owner."""
    return values


def to_xattrs(text: str) -> tuple[tuple[bytes, bytes], ...]:
    """The extended attributes in the text of a row. Raises ValueError."""
    if not text:
        return ()
    return tuple((bytes.fromhex(name), bytes.fromhex(value)) for name, value in json.loads(text))


def to_watched(row: Sequence[Any]) -> Watched:
    """The watched path of a row (path, kind, repository, node, exclude, one_filesystem, retired).

    Raises ValueError, TypeError or KeyError.
    """
    path, kind, repository, node, exclude, one_filesystem, retired = row
    single = {"dir": False, "single": True}[kind]
    return Watched(
        path=path,
        single=single,
        repository=repository,
        node=node,
        exclude=_texts(exclude),
        one_filesystem=_flag(one_filesystem),
        retired=_flag(retired),
    )


def to_account(row: Sequence[Any]) -> Account:
    """The account of a row (name, is_group, number, gid, home, shell, groups).

    Raises ValueError or TypeError.
    """
    name, is_group, number, gid, home, shell, groups = row
    members = tuple(bytes.fromhex(group) for group in _texts(groups))
    return Account(
        name=name, is_group=_flag(is_group), number=number, gid=gid, home=home, login_shell=shell, groups=members
    )


def _texts(text: object) -> tuple[str, ...]:
    loaded = json.loads(text) if isinstance(text, str) else None
    if not isinstance(loaded, list) or not all(isinstance(item, str) for item in loaded):
        raise ValueError("a list of texts is invalid")
    return tuple(loaded)


def _flag(value: object) -> bool:
    if type(value) is not int or value not in (0, 1):
        raise ValueError("neither yes nor no")
    return bool(value)
