"""The record of purges of a host's history: one JSON object in each line, never with any content.

A master has it as ``.purged`` in the host's folder, a host in its state folder. A host does not trust a master's: it
may lose content that is named there, but never content of its newest snapshot (``push.purged``).
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
MOST_BYTES_BY_AGE = 4 << 20  #: older purges by age beyond this are dropped: the next one finds their content again
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
        """Whether the age of the snapshots chose the content: such a purge is repeated, by the same rule."""
        return self.limits.startswith(BY_AGE + " ")

    @property
    def identity(self) -> tuple[float, str, tuple[bytes, ...], str]:
        """What distinguishes it from other purges; all runs of one rule by age have the same."""
        when, who = (0.0, "") if self.is_by_age else (self.at, self.by)
        return when, who, self.paths, self.limits

    def touches(self, path: bytes) -> bool:
        """Whether it erased content at or below ``path``, as far as the paths that were named tell."""
        return any(is_within(path, named) or is_within(named, path) for named in self.paths or (b"/",))

    def command(self, host: str) -> str:
        """The command that does the same on another master, quoted for a shell, as the record may be forged.

        A purge from all snapshots is recorded there even if nothing is left to erase.
        """
        options = [*shlex.split(self.limits), *["--record"] * bool(self.places)]
        return shlex.join(["pacha", "purge", host, *map(escape, self.paths), *options])


@dataclass(frozen=True, slots=True)
class Erased:
    """All that several purges erased; asked for each revision, and so it is quick."""

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
        """Whether this revision was erased, or all that the name had."""
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
    """Whether the stored ``name``, or the file that it is a part of, is at or below ``place`` ("": every name is)."""
    name = whole(name)
    return not place or name == place or name.startswith(place + b"/")


def reason(path: bytes, purges: Iterable[Purge]) -> str:
    """Why content of ``path`` is gone: the last of ``purges`` that touches it; one by age only if there is no other."""
    touching = [purge for purge in purges if any(is_within(path, named) for named in purge.paths or (b"/",))]
    by_preference = sorted(touching, key=lambda purge: not purge.is_by_age)
    return str(by_preference[-1]) if touching else "content purged"


def runs(purges: Iterable[Purge]) -> list[Purge]:
    """``purges`` by time; of each rule by age, only the last run."""
    return sorted({purge.identity: purge for purge in sorted(purges, key=_at)}.values(), key=_at)


def _at(purge: Purge) -> float:
    return purge.at


def joined(recorded: Iterable[Purge], more: Iterable[Purge]) -> tuple[Purge, ...]:
    """The purges of both, by time, each once; the runs of a rule by age in one month become one."""
    purges = dict[tuple[object, ...], Purge]()
    for purge in (*recorded, *more):
        key = (purge.identity, rfc3339(purge.at)[: len("2026-11")] if purge.is_by_age else "")
        if one := purges.get(key):
            purge = replace(max(one, purge, key=_at), revisions=united([one.revisions, purge.revisions]))
        purges[key] = purge
    return tuple(sorted(purges.values(), key=_at))


def merged(purges: Iterable[Purge]) -> Revisions:
    """All that ``purges`` erased."""
    return united(purge.revisions for purge in purges)


def united(each: Iterable[Mapping[str, Mapping[bytes, Set[str]]]]) -> Revisions:
    """The revisions of ``each``, together."""
    every: dict[str, dict[bytes, set[str]]] = {}
    for revisions in each:
        for repository, names in revisions.items():
            of_repository = every.setdefault(repository, {})
            for name, nodes in names.items():
                of_repository.setdefault(name, set()).update(nodes)
    return {name: {stored: frozenset(nodes) for stored, nodes in names.items()} for name, names in every.items()}


def read(path: Path) -> tuple[Purge, ...]:
    """The purges in the file at ``path``; () without such a file. Raises DamagedError."""
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
    """The whole record, without the oldest purges by age if they take too much. Raises PachaError for a longer one."""
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
    """The lines, without older purges by age that have no room; of each rule, the last one stays, without revisions."""
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
        by=_printable_text(fields["by"]),
        why=_printable_text(fields.get("why", "")),
        paths=tuple(map(os.fsencode, fields["paths"])),
        limits=_printable_text(fields.get("limits", "")),
        revisions=decode_revisions(fields["revisions"]),
        places={_content(name): tuple(map(os.fsencode, places)) for name, places in fields.get("places", {}).items()},
    )
    if not all(path.startswith(b"/") for path in purge.paths):
        raise ValueError("a path does not begin with '/'")
    if purge.at < 0:
        raise ValueError("a time is before 1970")  # such a time changes when it is written and read
    purge.command("")  # that its limits are words of a shell
    return purge


def _content(repository: str) -> str:
    """The name of a repository. Raises ValueError for that of the snapshots, and for a path."""
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
        raise ValueError("a node does not have 40 hexadecimal digits")
    return value


def _printable_text(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("not a text")
    return printable(text[:_LONGEST])
