"""The record of what was purged from a host's history: one JSON object a line, never with any content.

A master has it as ``.purged`` in the host's folder, a host in its state folder. A host takes a master's for hostile:
what it names may only be forgotten, and never what the newest snapshot here has (``push.purged``).
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pacha.errors import DamagedError, PachaError
from pacha.files.names import NODE, may_hold_content, whole
from pacha.files.paths import is_within
from pacha.text import escape, local_second, printable, rfc3339

MOST_BYTES = 32 << 20
MOST_BYTES_BY_AGE = 4 << 20  #: the older purges by age beyond this are forgotten: the next one finds all of that again
BY_AGE = "--older-than"  #: the option whose purges are by age
_LONGEST = 500  #: characters of a text
#: The nodes of the erased revisions by stored name, by repository.
Revisions = Mapping[str, Mapping[bytes, frozenset[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """A purge: when (seconds since the epoch), by whom, why (both safe to print), and what.

    ``paths`` were named, () for all; ``limits``: the options that chose the snapshots, "" for all of them. ``places``:
    by repository, the stored names that were purged with all below them, where that holds for all snapshots.
    """

    at: float
    by: str
    why: str = ""
    paths: tuple[bytes, ...] = ()
    limits: str = ""
    revisions: Revisions = field(default_factory=dict)
    places: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        why = self.why or (self.limits if self.is_by_age else "")
        return f"content purged on {local_second(self.at)} by {self.by}" + (f" ({why})" if why else "")

    @property
    def is_by_age(self) -> bool:
        """Whether the age of the snapshots chose the content: then it is done again and again, by the same rule."""
        return self.limits.startswith(BY_AGE + " ")

    @property
    def identity(self) -> tuple[float, str, tuple[bytes, ...], str]:
        """What distinguishes it from another; the runs of one rule by age are one."""
        when, who = (0.0, "") if self.is_by_age else (self.at, self.by)
        return when, who, self.paths, self.limits

    def touches(self, path: bytes) -> bool:
        """Whether it erased content of ``path``, or of something below it, as far as its named paths tell."""
        return any(is_within(path, named) or is_within(named, path) for named in self.paths or (b"/",))

    def command(self, host: str) -> str:
        """The command that does the same on another master, quoted for its shell: the record may be forged.

        A purge from all snapshots is to be recorded even where nothing of it is left.
        """
        options = [*shlex.split(self.limits), *["--record"] * bool(self.places)]
        return shlex.join(["pacha", "purge", host, *map(escape, self.paths), *options])


@dataclass(frozen=True, slots=True)
class Erased:
    """All that several purges erased; asked as often as there are revisions."""

    revisions: Revisions
    places: Mapping[str, Set[bytes]]

    @classmethod
    def by(cls, purges: Iterable[Purge]) -> Erased:
        """What ``purges`` erased."""
        every, places = tuple(purges), dict[str, set[bytes]]()
        for purge in every:
            for repository, some in purge.places.items():
                places.setdefault(repository, set()).update(some)
        return cls(merged(every), places)

    def accepts(self, repository: str, name: bytes, node: str) -> bool:
        """Whether this revision was erased, or any that the name had."""
        if node in self.revisions.get(repository, {}).get(name, ()):
            return True
        return not self.places.get(repository, frozenset()).isdisjoint(_places_of(whole(name)))


def _places_of(name: bytes) -> Iterator[bytes]:
    """The stored ``name``, and each place that it lies below."""
    while name:
        yield name
        name = name.rpartition(b"/")[0]
    yield b""


def is_at(name: bytes, place: bytes) -> bool:
    """Whether the stored ``name``, or that which it is a part of, is ``place`` or lies below it; "" is every name."""
    name = whole(name)
    return not place or name == place or name.startswith(place + b"/")


def reason(path: bytes, purges: Iterable[Purge]) -> str:
    """Why content of ``path`` is not there any more: the last of ``purges`` that touches it, one by age if no other."""
    touching = [purge for purge in purges if any(is_within(path, named) for named in purge.paths or (b"/",))]
    by_preference = sorted(touching, key=lambda purge: not purge.is_by_age)
    return str(by_preference[-1]) if touching else "content purged"


def runs(purges: Iterable[Purge]) -> list[Purge]:
    """``purges`` by time, of each rule by age the last run alone."""
    return sorted({purge.identity: purge for purge in sorted(purges, key=_at)}.values(), key=_at)


def _at(purge: Purge) -> float:
    return purge.at


def joined(recorded: Iterable[Purge], more: Iterable[Purge]) -> tuple[Purge, ...]:
    """All of both, by time, each once; the runs of a rule by age in one month become one."""
    found = dict[tuple[object, ...], Purge]()
    for purge in (*recorded, *more):
        key = (purge.identity, rfc3339(purge.at)[: len("2026-11")] if purge.is_by_age else "")
        found[key] = _joined(found[key], purge) if key in found else purge
    return tuple(sorted(found.values(), key=_at))


def _joined(one: Purge, other: Purge) -> Purge:
    """The later one, with what both erased."""
    return replace(max(one, other, key=_at), revisions=united([one.revisions, other.revisions]))


def merged(purges: Iterable[Purge]) -> Revisions:
    """All that ``purges`` erased."""
    return united(purge.revisions for purge in purges)


def united(each: Iterable[Mapping[str, Mapping[bytes, Set[str]]]]) -> Revisions:
    """All of several revisions."""
    every: dict[str, dict[bytes, set[str]]] = {}
    for revisions in each:
        for repository, names in revisions.items():
            of_repository = every.setdefault(repository, {})
            for name, nodes in names.items():
                of_repository.setdefault(name, set()).update(nodes)
    return {name: {stored: frozenset(nodes) for stored, nodes in names.items()} for name, names in every.items()}


def read(path: Path) -> tuple[Purge, ...]:
    """The purges in the file at ``path``; none where there is none. Raises DamagedError."""
    try:
        return decode(path.read_bytes(), str(path))
    except FileNotFoundError:
        return ()


def encode(purge: Purge) -> bytes:
    """The line of ``purge``."""
    fields = {
        "at": rfc3339(purge.at),
        "by": purge.by,
        "why": purge.why,
        "paths": [os.fsdecode(path) for path in purge.paths],
        "limits": purge.limits,
        "places": {name: [os.fsdecode(place) for place in places] for name, places in purge.places.items()},
        "revisions": encode_revisions(purge.revisions),
    }
    return json.dumps(fields).encode("ascii") + b"\n"


def encode_all(purges: Iterable[Purge]) -> bytes:
    """The whole record, without what is too much of the oldest by age. Raises PachaError where it gets too long."""
    text = b"".join(_bounded([(purge, encode(purge)) for purge in purges]))
    if len(text) > MOST_BYTES:
        raise PachaError(
            "That is too much for the record of what was purged.",
            f"it would have {len(text) >> 20} MiB, and the limit is {MOST_BYTES >> 20} MiB",
            "Purge less: name folders or files; of an age, begin with a greater one.",
            code="purge-record-full",
        )
    return text


def _bounded(lines: list[tuple[Purge, bytes]]) -> Iterator[bytes]:
    """The lines, those by age only as far back as there is room for: the newest, and of each rule that it was there."""
    room, last = MOST_BYTES_BY_AGE, {purge.identity: purge for purge, _ in lines}
    newest = max((purge for purge, _ in lines if purge.is_by_age), key=_at, default=None)
    kept = []
    for purge, line in reversed(lines):
        room -= len(line) if purge.is_by_age else 0
        if not purge.is_by_age or room >= 0 or purge is newest:
            kept.append(line)
        elif last[purge.identity] is purge:
            kept.append(encode(replace(purge, revisions={})))
    return reversed(kept)


def encode_revisions(revisions: Revisions) -> dict[str, dict[str, list[str]]]:
    """``revisions`` as JSON values."""
    return {
        repository: {os.fsdecode(name): sorted(nodes) for name, nodes in names.items()}
        for repository, names in revisions.items()
    }


def decode(text: bytes, place: str = ".purged in the host's folder on the master") -> tuple[Purge, ...]:
    """The purges in ``text`` (from ``place``), which may be hostile, in their order. Raises DamagedError."""
    try:
        if len(text) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES >> 20} MiB")
        return tuple(_purge(json.loads(line)) for line in text.splitlines())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedError(
            "The record of what was purged cannot be read.",
            printable(str(error))[:_LONGEST],
            f"Look at {place}.",
            code="purge-record-damaged",
        ) from None


def _purge(fields: Mapping[str, Any]) -> Purge:
    purge = Purge(
        at=datetime.fromisoformat(fields["at"].removesuffix("Z")).replace(tzinfo=timezone.utc).timestamp(),
        by=_said(fields["by"]),
        why=_said(fields.get("why", "")),
        paths=tuple(map(os.fsencode, fields["paths"])),
        limits=_said(fields.get("limits", "")),
        revisions=decode_revisions(fields["revisions"]),
        places={_content(name): tuple(map(os.fsencode, places)) for name, places in fields.get("places", {}).items()},
    )
    if not all(path.startswith(b"/") for path in purge.paths):
        raise ValueError("a path begins with a '/'")
    if purge.at < 0:
        raise ValueError("it was before 1970")  # such a time is not read as it is written
    purge.command("")  # its limits are words
    return purge


def _content(repository: str) -> str:
    """The name of a repository, which is never that of the snapshots, nor leads elsewhere."""
    if not may_hold_content(repository):
        raise ValueError("no repository of a watched path has that name")
    return repository


def decode_revisions(values: Mapping[str, Mapping[str, Iterable[str]]]) -> Revisions:
    """The inverse of ``encode_revisions``, for values that may be hostile. Raises ValueError, TypeError ..."""
    return {
        _content(repository): {os.fsencode(name): frozenset(map(_node, nodes)) for name, nodes in names.items()}
        for repository, names in values.items()
    }


def _node(value: str) -> str:
    if not NODE.fullmatch(value):
        raise ValueError("a node has 40 hexadecimal digits")
    return value


def _said(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("not a text")
    return printable(text[:_LONGEST])
