"""The values of one snapshot. ``database`` knows how they lie in SQLite."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pacha.files import paths
from pacha.files.metadata import Entry
from pacha.files.owners import Account

SCHEMA = 1  #: the schema this version writes
READABLE_FROM = 1  #: the oldest schema number a reader must know to read what this version writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A watched path: where its content is kept and by which rules.

    ``path`` absolute bytes; ``node`` the hex id of the content repository's revision that this snapshot
    means (None: nothing of it needed a repository yet); ``retired``: no longer watched, its history and
    its repository's name are kept.
    """

    path: bytes
    single: bool
    repository: str
    node: str | None = None
    exclude: tuple[str, ...] = ()
    one_filesystem: bool = False
    retired: bool = False

    def holds(self, path: bytes) -> bool:
        """Whether ``path`` is this watched path or lies below it."""
        return paths.is_within(path, self.path)

    def relative(self, path: bytes) -> bytes:
        """``path`` as its content repository names it before escaping: a single file by its last component."""
        if self.single:
            return paths.name(self.path)
        return path[len(paths.prefix(self.path)) :]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole of a snapshot: ``meta`` (str to str), watched paths, entries and parents by path."""

    meta: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[Watched, ...] = ()
    entries: Mapping[bytes, Entry] = field(default_factory=dict)
    parents: Mapping[bytes, Entry] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    _groups: dict[bytes, dict[bytes, Entry]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def host(self) -> str:
        """The host that the snapshot is of; "" before the first push."""
        return self.meta.get("host", "")

    @property
    def live(self) -> tuple[Watched, ...]:
        """The paths that are watched now."""
        return tuple(watched for watched in self.watched if not watched.retired)

    def below(self, watched: Watched) -> dict[bytes, Entry]:
        """The entries that belong to ``watched``, by path."""
        if watched not in self.live:
            return {path: entry for path, entry in self.entries.items() if watched.holds(path)}
        if not self._groups:
            self._groups.update(grouped(self.live, self.entries))
        return self._groups[watched.path]

    def with_watched(self, watched: Iterable[Watched]) -> Snapshot:
        """This snapshot with another list of watched paths; entries that none of them holds are dropped."""
        kept = tuple(watched)
        live = [one for one in kept if not one.retired]
        entries = {p: e for p, e in self.entries.items() if any(one.holds(p) for one in live)}
        return replace(self, watched=kept, entries=entries)


def parents_of(path: bytes) -> list[bytes]:
    """The directories above ``path``, nearest first, without the root."""
    found = []
    while (path := os.path.dirname(path)) not in (b"/", b""):
        found.append(path)
    return found


def grouped(live: Iterable[Watched], entries: Mapping[bytes, Entry]) -> dict[bytes, dict[bytes, Entry]]:
    """``entries`` by the watched path that holds them; what none of ``live`` holds is left out."""
    prefixes = {paths.prefix(one.path): one.path for one in live}
    groups: dict[bytes, dict[bytes, Entry]] = {path: {} for path in prefixes.values()}
    prefix, group = b"\0", dict[bytes, Entry]()
    for path, entry in entries.items():
        if not path.startswith(prefix):  # neighbours belong together: this is rarely so
            found = next((one for one in prefixes if path.startswith(one) or path == prefixes[one]), None)
            if found is None:
                continue
            prefix, group = found, groups[prefixes[found]]
        group[path] = entry
    return groups


@dataclass(frozen=True, slots=True)
class Changes:
    """The paths in which one snapshot differs from an earlier one."""

    added: tuple[bytes, ...] = ()
    removed: tuple[bytes, ...] = ()
    content: tuple[bytes, ...] = ()
    metadata: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        counts = [(self.added, "added"), (self.content, "changed"), (self.removed, "removed")]
        words = [f"{len(which)} {word}" for which, word in [*counts, (self.metadata, "metadata")] if which]
        return ", ".join(words) or "no path changed"


def compare(old: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> Changes:
    """What became of the paths of ``old`` in ``new``."""
    content: list[bytes] = []
    metadata: list[bytes] = []
    for path in old.keys() & new.keys():
        if old[path] != new[path]:
            (metadata if _same_content(old[path], new[path]) else content).append(path)
    return Changes(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        tuple(sorted(content)),
        tuple(sorted(metadata)),
    )


def _same_content(one: Entry, other: Entry) -> bool:
    return (one.kind, one.sha256, one.target, one.device) == (other.kind, other.sha256, other.target, other.device)
