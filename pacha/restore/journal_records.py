"""The records of a journal: each is one line, a JSON array of its word and its fields.

Paths are bytes, written as UTF-8 with surrogate escapes. An incomplete line is not a record.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter

from pacha.restore.entries import Inode, inode_of
from pacha.restore.inode import Reference, read_xattrs

_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The first record. ``resumes``: the IDs of the interrupted rebuilds that this one resumes.

    ``tip``: the node of the snapshot; "" where it is not known, as in the journals of earlier versions.
    ``links``: whether the ``Altered`` of a link has its attributes, which earlier versions never recorded.
    """

    id: str
    at: int  #: seconds since the epoch
    host: str
    resumes: tuple[str, ...]
    tip: str = ""
    links: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    """A watched path of this rebuild; neither the rebuild nor an undo follows a link at or below it."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A path that this rebuild restores, with all below it. Without such records it restores all roots."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """The folder below which a rehearsal puts everything; the original places stay untouched."""

    path: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """``path`` is about to be created.

    ``temporary``: its name in its directory until then; None where the directory itself has a temporary name. An undo
    compares ``kind``, ``size`` (bytes) and ``mtime_ns`` to find out whether ``path`` was changed since.
    """

    path: bytes
    temporary: bytes | None
    kind: str
    size: int
    mtime_ns: int
    replaces: bool = False  #: an original is at ``path``, and is displaced first


@dataclass(frozen=True, slots=True)
class Displaced:
    """The original at ``path`` (inode ``old``) is about to move to ``kept``; ``temporary``, if any, replaces it."""

    path: bytes
    temporary: bytes | None
    kept: bytes
    old: Inode


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """The metadata of ``path``, the inode ``old``, is about to change; these are the old values."""

    path: bytes
    old: Inode
    uid: int
    gid: int
    mode: int
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, path: bytes, reference: Reference, status: os.stat_result, mtime_ns: int | None = None) -> Altered:
        """Return the record for an inode with this ``status``; ``mtime_ns`` replaces its time. Raises OSError."""
        return cls(
            path=path, old=inode_of(status), uid=status.st_uid, gid=status.st_gid, mode=stat.S_IMODE(status.st_mode),
            mtime_ns=status.st_mtime_ns if mtime_ns is None else mtime_ns, xattrs=read_xattrs(reference),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Touched:
    """Names in the directory ``path`` are about to change; ``mtime_ns`` is its time before that."""

    path: bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Keeping:
    """The backup directory ``path`` is about to be created."""

    path: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A stage: ``written``, ``finished``, ``stopped`` (nothing was changed), ``undone``; ``journal`` has later ones."""

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
_VALUES = {kind: attrgetter(*names, names[0]) for kind, names in _FIELDS.items()}  # a single name gives no tuple
_PATHS = frozenset({"path", "temporary", "kept"})


def encode(record: Record) -> str:
    """Return the line of a record (str, ASCII, with its newline)."""
    kind = type(record)
    return _encode([WORD_OF[kind], *map(_to_json, _VALUES[kind](record)[:-1])]) + "\n"


def decode(line: bytes) -> Record | None:
    """Return the record of a line (bytes); None for an incomplete line and an unknown word."""
    try:
        word, *values = json.loads(line)
        kind = _WORDS[word]
        make: Callable[..., Record] = kind
        pairs = zip(_FIELDS[kind], values, strict=kind is not Started)
        return make(**{name: _from_json(name, value) for name, value in pairs})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _to_json(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, tuple):
        return [_to_json(part) for part in value]
    return value


def _from_json(name: str, value: object) -> object:
    if name in _PATHS:
        return None if value is None else _bytes(value)
    if name == "xattrs" and isinstance(value, list):
        return tuple((_bytes(key), _bytes(content)) for key, content in value)
    return tuple(value) if isinstance(value, list) else value


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError("not a path")
    return value.encode("utf-8", "surrogateescape")
