"""The records of a journal: each is one line, a JSON array of its word and its fields.

Paths are bytes, written as UTF-8 with surrogate escapes. A line that a power cut tore is not a record.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields

from pacha.restore.entries import Inode

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Started:
    """The first record. ``continues`` are the IDs of killed rebuilds that this one resumes."""

    id: str
    at: int  #: seconds since the epoch
    host: str
    continues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Root:
    """A watched path of this rebuild: no link is followed at or below it, in undoing neither."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """What of its roots this rebuild restores, with all below it. Without any: all of them."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """A rehearsal: everything is put below this folder, and has nothing to do with the original places."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Created:
    """``path`` is about to be made, as ``temporary`` in its directory (None: in a directory not in place).

    ``kind``, ``size`` (bytes) and ``mtime_ns`` tell later whether what is at ``path`` is still this.
    """

    path: bytes
    temporary: bytes | None
    kind: str
    size: int
    mtime_ns: int
    replaces: bool = False  #: something else is at ``path``, and is displaced first


@dataclass(frozen=True, slots=True)
class Displaced:
    """What is at ``path``, the inode ``old``, is about to go to ``kept``; ``temporary`` takes its place."""

    path: bytes
    temporary: bytes | None
    kept: bytes
    old: Inode


@dataclass(frozen=True, slots=True)
class Altered:
    """The metadata of ``path``, the inode ``old``, is about to be changed from this."""

    path: bytes
    old: Inode
    uid: int
    gid: int
    mode: int
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Touched:
    """Names are about to change in the directory ``path``, whose modification time was this."""

    path: bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """The folder ``path`` is about to be made for what is displaced."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """How far it came: ``written``, ``finished``, ``stopped`` (nothing was changed) or ``undone``."""

    word: str


Record = Started | Root | Part | Target | Created | Displaced | Altered | Touched | Keeping | Mark
_WORDS: dict[str, type[Record]] = {
    "begun": Started,
    "root": Root,
    "part": Part,
    "target": Target,
    "made": Created,
    "displaced": Displaced,
    "altered": Altered,
    "touched": Touched,
    "keeping": Keeping,
    "mark": Mark,
}
WORD_OF = {kind: word for word, kind in _WORDS.items()}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in WORD_OF}
_PATHS = frozenset({"path", "temporary", "kept"})


def encode(record: Record) -> str:
    """Return a record as its line (str, ASCII, newline included)."""
    kind = type(record)
    return _encode([WORD_OF[kind], *[_plain(getattr(record, name)) for name in _FIELDS[kind]]]) + "\n"


def decode(line: bytes) -> Record | None:
    """Return the record of a line, or None for one that is torn or of a later kind."""
    try:
        word, *values = json.loads(line)
        kind = _WORDS[word]
        make: Callable[..., Record] = kind
        pairs = zip(_FIELDS[kind], values, strict=True)
        return make(**{name: _typed(name, value) for name, value in pairs})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _typed(name: str, value: object) -> object:
    if name in _PATHS:
        return None if value is None else _bytes(value)
    if name == "xattrs" and isinstance(value, list):
        return tuple((_bytes(key), _bytes(content)) for key, content in value)
    return tuple(value) if isinstance(value, list) else value


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("not a path")
    return value.encode("utf-8", "surrogateescape")
