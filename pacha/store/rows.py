"""Entries and watched paths as rows of pacha.db, and the checks that a row from elsewhere must pass.

Pure functions; a row is a tuple in the order of COLUMNS. Root writes what a fetched database says, so every value of it
is checked before use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pacha.errors import DamagedError
from pacha.files import keyed, names
from pacha.files.content import MOST_PARTS
from pacha.files.exclude import Rules
from pacha.files.keyed import SEALED_SIZE
from pacha.files.metadata import EVERYWHERE, MOST_HOLES, Entry, Holes, Kind
from pacha.files.names import NODE
from pacha.files.owners import Account
from pacha.store.snapshot import Watched
from pacha.text import escape

COLUMNS = (
    "path", "kind", "mode", "uid", "gid", "owner", "grp", "mtime_ns", "size", "sha256", "target", "link_group",
    "device", "xattrs", "flags", "stored", "parts", "sparse", "holes", "project", "sealed",
)  # fmt: skip
#: Those that the first snapshots of this schema did not have, with their types. They may be NULL.
LATER = {"sparse": "INTEGER", "holes": "TEXT", "project": "INTEGER", "sealed": "BLOB"}
SEALED = "sealed"  #: the last column, which only those have that seal something
_KINDS = {kind.value: kind for kind in Kind}
# xattr(7); some file systems have a namespace of their own (btrfs.compression).
_XATTR_NAME = re.compile(rb"[a-z0-9_]+\.[^\0]+\Z", re.DOTALL)
_DOTS = re.compile(rb"/\.\.?/")
_TIME = re.compile(rb"-?[0-9]{1,30}\Z")
_LONGEST_PATH = 4095  # PATH_MAX without its NUL (limits.h): the longest path that can be watched
_MOST_ID = 2**32 - 2  # (uid_t) -1 means "no change" to chown(2)
_NONE = type(None)
#: Each column's name, its allowed types, and the largest number allowed (the smallest is 0).
_TYPES: tuple[tuple[str, tuple[type, ...], int | None], ...] = (
    ("path", (bytes,), None), ("kind", (str,), None), ("mode", (int,), 0o7777), ("uid", (int,), _MOST_ID),
    ("gid", (int,), _MOST_ID), ("owner", (bytes, _NONE), None), ("grp", (bytes, _NONE), None),
    ("mtime_ns", (int, bytes), None), ("size", (int,), 2**63 - 1), ("sha256", (bytes, _NONE), None),
    ("target", (bytes, _NONE), None), ("link_group", (int, _NONE), 2**63 - 1), ("device", (int, _NONE), 2**63 - 1),
    ("xattrs", (str,), None), ("flags", (int,), 2**32 - 1), ("stored", (bytes, _NONE), None),
    ("parts", (int,), MOST_PARTS), ("sparse", (int, _NONE), 1), ("holes", (str, _NONE), None),
    ("project", (int, _NONE), 2**32 - 1),
    ("sealed", (bytes, _NONE), None),
)  # fmt: skip


def from_entry(entry: Entry) -> tuple[Any, ...]:
    """The row of ``entry``."""
    return (
        entry.path, entry.kind.value, entry.mode, entry.uid, entry.gid, entry.owner, entry.group,
        _time(entry.mtime_ns), entry.size, entry.sha256, entry.target, entry.link_group, entry.device,
        _packed(entry.xattrs), entry.flags, entry.stored, entry.parts,
        None if entry.holes is None else int(bool(entry.holes)),
        json.dumps(entry.holes) if entry.holes and entry.holes != EVERYWHERE else None,
        entry.project, entry.sealed,
    )  # fmt: skip


def to_entry(row: Sequence[Any]) -> Entry:
    """The entry of a row of this host's own database."""
    (path, kind, mode, uid, gid, owner, group, mtime_ns, size, sha256, target, link_group, device, xattrs, flags,
     stored, parts, sparse, holes, project, sealed) = row  # fmt: skip
    mode, uid, gid, owner, group = _shared(mode, uid, gid, owner, group)
    return Entry(  # by place: with names it takes three times as long, and this is done for every path
        path, _KINDS[kind], mode, uid, gid, owner, group, int(mtime_ns), size, sha256, target, link_group, device,
        to_xattrs(xattrs) if xattrs else (), flags, stored, parts, _to_holes(sparse, holes), project, sealed,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _shared(*values: Any) -> tuple[Any, ...]:
    """``values`` as they were given first: most paths have the mode and the owner of many others."""
    return values


def checked_entry(row: Sequence[Any]) -> Entry:
    """The entry of a row from elsewhere. Raises DamagedError naming what is wrong with it."""
    try:
        _check_types(row)
        entry = to_entry(row)
        _check_sense(entry)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(f"the row of {_name_of(row[0])}", str(error)) from None
    return entry


def check_entry(entry: Entry) -> None:
    """Raise DamagedError if the row of ``entry`` would be refused as one from elsewhere."""
    try:
        _check_types(from_entry(entry))
        _check_sense(entry)
    except ValueError as error:
        raise _damaged(f"the row of {_name_of(entry.path)}", str(error)) from None


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


def check_meta(meta: Mapping[Any, Any]) -> Mapping[str, str]:
    """Return ``meta`` from elsewhere. Raises ValueError unless it is plain text."""
    for text in (*meta.keys(), *meta.values()):
        if type(text) is not str or not text.isprintable() or len(text) > 1000:
            raise ValueError("its metadata is not plain text")
    return meta


def check_watched(watched: Watched) -> Watched:
    """Return ``watched`` from elsewhere. Raises DamagedError unless it is valid."""
    where = f"the watched path {_name_of(watched.path)}"
    _check(watched.path, bytes, where, "path")
    _demand(is_normal(watched.path), where, "it is not absolute and normal")
    _demand(len(watched.path) <= _LONGEST_PATH, where, "it is longer than a path can be")
    _check(watched.repository, str, where, "repository")
    _demand(names.may_hold_content(watched.repository), where, "its repository's name is not allowed")
    try:
        Rules.of(watched.exclude)
    except ValueError:
        raise _damaged(where, "an exclude rule is invalid") from None
    if watched.node is not None:
        _check(watched.node, str, where, "node")
        _demand(NODE.fullmatch(watched.node) is not None, where, "its node is invalid")
    return watched


def check_account(account: Account) -> Account:
    """Return ``account`` from elsewhere. Raises DamagedError unless it is valid."""
    where = f"the account {_name_of(account.name)}"
    for value in (account.name, account.home, account.login_shell, *account.groups):
        _check(value, bytes, where, "text")
        _demand(not re.search(rb"[\0\n:]", value), where, "it has a character that passwd(5) cannot hold")
    for name in (account.name, *account.groups):
        _demand(name != b"" and not name.startswith(b"-"), where, "its name is invalid")
    for number in (account.number, account.gid):
        _check(number, int, where, "number")
        _demand(0 <= number <= _MOST_ID, where, "its number is out of range")
    return account


def is_normal(path: bytes) -> bool:
    """Whether ``path`` is absolute, without ``.``, ``..``, empty components, NUL or a final slash."""
    if path == b"/":
        return True
    closed = path + b"/"
    return path[:1] == b"/" and b"\0" not in path and b"//" not in closed and _DOTS.search(closed) is None


def _check_types(row: Sequence[Any]) -> None:
    """Raise ValueError unless each value has its column's type and is within its range."""
    texts, numbers = _places(tuple(map(type, row)))
    for place in texts:
        if b"\0" in row[place]:
            raise ValueError(f"{COLUMNS[place]} has a NUL")
    for place, most in numbers:
        if not 0 <= row[place] <= most:
            raise ValueError(f"{COLUMNS[place]} is out of range")
    path, kind, mtime_ns = row[0], row[1], row[7]
    if kind not in _KINDS:
        raise ValueError("its kind is invalid")
    if not is_normal(path):
        raise ValueError("its path is not absolute and normal")
    if type(mtime_ns) is bytes and not _TIME.match(mtime_ns):
        raise ValueError("mtime_ns is not a number")


@lru_cache(maxsize=1024)
def _places(kinds: tuple[type, ...]) -> tuple[list[int], list[tuple[int, int]]]:
    """Where a row whose values are of these ``kinds`` has bytes without NUL, and numbers with the largest allowed.

    Raises ValueError unless these are the types of its columns. There are few, and so this is asked once for many rows.
    """
    texts, numbers = [], []
    for place, (kind, (name, allowed, most)) in enumerate(zip(kinds, _TYPES, strict=True)):
        if kind not in allowed:
            raise ValueError(f"{name} has the wrong type")
        if most is not None and kind is int:
            numbers.append((place, most))
        elif most is None and kind is bytes and name not in ("sha256", SEALED):
            texts.append(place)
    return texts, numbers


def _check_sense(entry: Entry) -> None:
    """Raise ValueError unless the values of a row fit together."""
    kind, wrong = entry.kind, ""
    if kind is Kind.FILE:
        if entry.sha256 is None or len(entry.sha256) != 32:
            wrong = "a file without sha256"
        elif entry.stored is None:
            wrong = "a file without stored name"
    elif kind is Kind.SOCKET:
        wrong = "a socket cannot be kept"
    if (kind is Kind.SYMLINK) != bool(entry.target):
        wrong = "link target and kind do not agree"
    if (kind in (Kind.CHARACTER, Kind.BLOCK)) != (entry.device is not None):
        wrong = "device and kind do not agree"
    if entry.xattrs and not all(_XATTR_NAME.match(name) for name, _ in entry.xattrs):
        wrong = "an attribute's name is invalid"
    if entry.holes and not _are_in_order(entry.holes):
        wrong = "its holes are not in order"
    if entry.sealed is not None and (kind is not Kind.FILE or len(entry.sealed) != SEALED_SIZE):
        wrong = "what it says of its seal is invalid"
    if entry.sealed is not None and keyed.secret(entry.xattrs):
        wrong = "a sealed file has attributes in the clear"
    if b"/.pacha-" in entry.path and any(map(names.is_pachas_own, entry.path.split(b"/"))):
        wrong = "its name is reserved for Pacha"
    if wrong:
        raise ValueError(wrong)
    if entry.stored is not None:
        names.original(entry.stored)


def _time(mtime_ns: int) -> int | bytes:
    """A column holds 64 bits, enough up to the year 2262; a later time is stored as decimal digits."""
    return mtime_ns if -(2**63) <= mtime_ns < 2**63 else b"%d" % mtime_ns


def _packed(xattrs: tuple[tuple[bytes, bytes], ...]) -> str:
    return json.dumps([[name.hex(), value.hex()] for name, value in xattrs]) if xattrs else ""


def _to_holes(sparse: int | None, text: str | None) -> Holes | None:
    """The holes of a file; earlier versions recorded only whether it had some."""
    if text is not None:
        return tuple((start, length) for start, length in json.loads(text))
    return sparse if sparse is None else EVERYWHERE if sparse else ()


def _are_in_order(holes: Holes) -> bool:
    """Whether holes are numbers that a file can have, one after the other."""
    end = 0
    for start, length in holes:
        if type(start) is not int or type(length) is not int or start < end or length < 1:
            return False
        end = start + length
    return end < 2**63 and len(holes) <= MOST_HOLES


def _texts(text: object) -> tuple[str, ...]:
    loaded = json.loads(text) if isinstance(text, str) else None
    if not isinstance(loaded, list) or not all(isinstance(item, str) for item in loaded):
        raise ValueError("a list of texts is invalid")
    return tuple(loaded)


def _flag(value: object) -> bool:
    if type(value) is not int or value not in (0, 1):
        raise ValueError("neither yes nor no")
    return bool(value)


def _check(value: object, kind: type, where: str, name: str) -> None:
    _demand(type(value) is kind, where, f"{name} has the wrong type")


def _demand(holds: bool, where: str, why: str) -> None:
    if not holds:
        raise _damaged(where, why)


def _damaged(where: str, why: str) -> DamagedError:
    return DamagedError(
        f"The fetched pacha.db does not add up at {where}.",
        why,
        "Nothing was changed. Look at the master.",
        subject=f"{where} {why}",
        code="database-inconsistent",
    )


def _name_of(path: object) -> str:
    return escape(path[:300]) if isinstance(path, bytes) else "an invalid path"
