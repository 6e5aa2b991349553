"""Check the reply (JSON) of the process that compared one host. The resulting values are safe to print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pacha.store import change_list
from pacha.text import printable
from pacha.wire import message

NEW = "new"  #: there is nothing to compare with: it was in no digest before
REPLACED = "replaced"  #: the snapshot of its last digest is not in its history any more


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChange:
    """A path that changed: its letter and name, other changes in words, and the lines of a unified diff.

    ``cut``: how many lines are left out; ``hidden``: why no content is shown, "" where it is or where there is none.
    All of it is safe to print.
    """

    letter: str
    path: str
    words: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    cut: int = 0
    hidden: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotNote:
    """A snapshot: its node, its time by the host's clock, who made it, and why. Safe to print."""

    node: str
    at: float
    user: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDigest:
    """What ``host`` changed from its snapshot ``base`` to ``tip``.

    ``kind``: "", or NEW or REPLACED: then there is no ``base``, and there are no ``paths``. ``counts``: how many paths,
    by the words of a change list; ``snapshots``: how many, of which ``notes`` are the newest; ``back``: paths that
    changed and changed back; ``left_out``: how many changed paths are not in ``paths``.
    """

    host: str
    tip: str
    base: str = ""
    kind: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    snapshots: int = 0
    notes: tuple[SnapshotNote, ...] = ()
    paths: tuple[PathChange, ...] = ()
    packages: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    left_out: int = 0


def decode(host: str, reply: bytes) -> HostDigest:
    """Return the digest in the ``reply`` of a child.

    Raises ValueError, TypeError, KeyError, AttributeError or RecursionError for an invalid one.
    """
    values = message.decode(reply)
    if values.get("kind", "") not in ("", NEW, REPLACED):
        raise ValueError("no comparison")
    return HostDigest(
        host=host,
        tip=message.node(values["tip"]),
        base=message.node(values["base"]) if values.get("base", "") != "" else "",
        kind=values.get("kind", ""),
        counts={word: message.count(values.get("counts", {}).get(word, 0)) for word in change_list.LETTERS.values()},
        snapshots=message.count(values["snapshots"]),
        notes=tuple(_note(*words) for words in values["notes"]),
        paths=tuple(_path(*words) for words in values.get("paths", ())),
        packages=_texts(values.get("packages", ())),
        back=_texts(values.get("back", ())),
        left_out=message.count(values.get("left_out", 0)),
    )


def _note(node: str, at: Any, user: str, text: str) -> SnapshotNote:
    return SnapshotNote(
        node=message.node(node), at=message.seconds(at), user=printable(user), message=printable(text, keep="\n")
    )


def _path(letter: str, path: str, words: Iterable[str], lines: Iterable[str], cut: Any, hidden: str) -> PathChange:
    if letter not in (*change_list.LETTERS, "U"):
        raise ValueError("no change")
    return PathChange(
        letter=letter, path=printable(path), words=_texts(words),
        lines=tuple(printable(line, keep="\t") for line in lines), cut=message.count(cut), hidden=printable(hidden),
    )  # fmt: skip


def _texts(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(printable(word) for word in words)
