"""Check each entry, watched path and account of a pacha.db from elsewhere, for root writes what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pacha.errors import DamagedError
from pacha.files import keyed, names
from pacha.files.content import MOST_PARTS
from pacha.files.entry import MOST_HOLES, Entry, Holes, Kind
from pacha.files.exclude import Rules
from pacha.files.keyed import SEALED_SIZE
from pacha.files.names import NODE
from pacha.files.owners import LARGEST_ID, Account
from pacha.files.paths import is_normal
from pacha.store.rows import COLUMNS, KINDS, SEALED, from_entry, to_entry
from pacha.store.snapshot import Watched
from pacha.text import escape

# xattr(7); some file systems have a namespace of their own (btrfs.compression).
_XATTR_NAME = re.compile(rb"[a-z0-9_]+\.[^\0]+\Z", re.DOTALL)
_TIME = re.compile(rb"-?[0-9]{1,30}\Z")
_LONGEST_PATH = 4095  # PATH_MAX without its NUL (limits.h): the longest path that can be watched
_NONE = type(None)
#: Each column's name, its allowed types, and the largest number allowed (the smallest is 0).
_TYPES: tuple[tuple[str, tuple[type, ...], int | None], ...] = (
    ("path", (bytes,), None), ("kind", (str,), None), ("mode", (int,), 0o7777), ("uid", (int,), LARGEST_ID),
    ("gid", (int,), LARGEST_ID), ("owner", (bytes, _NONE), None), ("grp", (bytes, _NONE), None),
    ("mtime_ns", (int, bytes), None), ("size", (int,), 2**63 - 1), ("sha256", (bytes, _NONE), None),
    ("target", (bytes, _NONE), None), ("link_group", (int, _NONE), 2**63 - 1), ("device", (int, _NONE), 2**63 - 1),
    ("xattrs", (str,), None), ("flags", (int,), 2**32 - 1), ("stored", (bytes, _NONE), None),
    ("parts", (int,), MOST_PARTS), ("sparse", (int, _NONE), 1), ("holes", (str, _NONE), None),
    ("project", (int, _NONE), 2**32 - 1),
    ("sealed", (bytes, _NONE), None),
)  # fmt: skip


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
        _demand(0 <= number <= LARGEST_ID, where, "its number is out of range")
    return account


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
    if kind not in KINDS:
        raise ValueError("its kind is invalid")
    if not is_normal(path):
        raise ValueError("its path is not absolute and normal")
    if type(mtime_ns) is bytes and not _TIME.match(mtime_ns):
        raise ValueError("mtime_ns is not a number")


@lru_cache(maxsize=1024)
def _places(kinds: tuple[type, ...]) -> tuple[list[int], list[tuple[int, int]]]:
    """The places in a row of bytes that may hold no NUL, and of numbers, with the largest allowed.

    ``kinds``: the types of its values; raises ValueError unless the columns have these types. Many rows have the same.
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


def _are_in_order(holes: Holes) -> bool:
    """Whether holes are numbers that a file can have, one after the other."""
    end = 0
    for start, length in holes:
        if type(start) is not int or type(length) is not int or start < end or length < 1:
            return False
        end = start + length
    return end < 2**63 and len(holes) <= MOST_HOLES


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
