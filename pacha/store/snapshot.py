"""The values of one snapshot. ``database`` stores them in SQLite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import attrgetter, is_not
from typing import TypeVar

from pacha.files import paths
from pacha.files.amended import Amended, Below
from pacha.files.entry import Entry
from pacha.files.owners import Account
from pacha.store.recorded import Recorded

_content_of = attrgetter("kind", "sha256", "target", "device")
_T = TypeVar("_T")
SCHEMA = 1  #: the schema this version writes
READABLE_FROM = 1  #: the oldest schema that a reader must know to read what this version writes
SEALED_SCHEMA = 2  #: the same for a snapshot in which something is sealed; the newest that this version reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A watched path: its repository and its rules.

    ``path``: absolute bytes; ``node``: the hex id of its content repository's revision in this snapshot (None: it has
    no content yet); ``retired``: no longer watched, but its history and its repository's name are kept.
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
        """The name of ``path`` in its content repository, before escaping; a single file has its last component."""
        if self.single:
            return paths.name(self.path)
        return path[len(paths.prefix(self.path)) :]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete snapshot: ``meta`` (str to str), watched paths, entries and parents by path."""

    meta: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[Watched, ...] = ()
    entries: Mapping[bytes, Entry] = field(default_factory=dict)
    parents: Mapping[bytes, Entry] = field(default_factory=dict)
    accounts: tuple[Account, ...] = ()
    _groups: dict[bytes, dict[bytes, Entry]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def host(self) -> str:
        """The host of the snapshot; "" before the first push."""
        return self.meta.get("host", "")

    @property
    def live(self) -> tuple[Watched, ...]:
        """The paths that are watched now."""
        return tuple(watched for watched in self.watched if not watched.retired)

    def below(self, watched: Watched) -> Mapping[bytes, Entry]:
        """The entries that belong to ``watched``, by path."""
        if watched not in self.live:
            return {path: entry for path, entry in self.entries.items() if watched.holds(path)}
        if len(self.live) == 1:
            return self.entries  # they can be below nothing else
        if isinstance(self.entries, Amended):
            return self.entries.below(watched.path)
        if isinstance(self.entries, Recorded):
            return Below(self.entries, watched.path)
        if not self._groups:
            self._groups.update(grouped(self.live, self.entries))
        return self._groups[watched.path]

    def with_watched(self, watched: Iterable[Watched]) -> Snapshot:
        """This snapshot with other watched paths; entries that lie below none of them are dropped."""
        roots = tuple(watched)
        live = [root for root in roots if not root.retired]
        entries = {p: e for p, e in self.entries.items() if any(root.holds(p) for root in live)}
        return replace(self, watched=roots, entries=entries)


def parents_of(path: bytes) -> list[bytes]:
    """The directories above ``path``, nearest first, without the root."""
    return [folder for folder in paths.ancestors(path) if folder != b"/"]


def placed(live: Iterable[Watched], each: Mapping[bytes, _T]) -> Iterator[tuple[Watched, _T]]:
    """The values of ``each``, by path, with the watched path of ``live`` that they lie below; others are left out."""
    tops = {paths.prefix(watched.path): watched for watched in live}
    prefix = b"\0"  # of no path
    for path, value in each.items():
        if not path.startswith(prefix):  # rare: neighbours mostly share their watched path
            match = next((p for p in tops if path.startswith(p) or path == tops[p].path), None)
            if match is None:
                continue
            prefix = match
        yield tops[prefix], value


def grouped(live: Sequence[Watched], entries: Mapping[bytes, Entry]) -> dict[bytes, dict[bytes, Entry]]:
    """``entries`` by the watched path of ``live`` that they lie below, and by path; others are left out."""
    groups: dict[bytes, dict[bytes, Entry]] = {watched.path: {} for watched in live}
    for watched, entry in placed(live, entries):
        groups[watched.path][entry.path] = entry
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


def other_than(old: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> dict[bytes, Entry]:
    """The entries of ``new`` that are not the very objects of ``old``, by path.

    A scan reuses the object of an entry that has not changed, so these are few, and no others need be compared.
    """
    if new is old:
        return {}
    if isinstance(new, Amended) and new.amends(old):
        return {path: entry for path, entry in new.changed.items() if entry is not old.get(path)}
    return dict(compress(new.items(), map(is_not, new.values(), map(old.get, new))))


def missing_in(old: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> dict[bytes, Entry]:
    """The entries of ``old`` whose paths ``new`` does not have."""
    if isinstance(new, Amended) and new.amends(old):
        return {path: old[path] for path in new.removed}
    return {path: old[path] for path in old.keys() - new.keys()} if new is not old else {}


def compare(old: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> Changes:
    """The changes from ``old`` to ``new``."""
    added: list[bytes] = []
    content: list[bytes] = []
    metadata: list[bytes] = []
    for path, entry in other_than(old, new).items():
        before = old.get(path)
        if before is None:
            added.append(path)
        elif before != entry:
            (metadata if _content_of(before) == _content_of(entry) else content).append(path)
    every = (added, missing_in(old, new), content, metadata)
    return Changes(*(tuple(sorted(paths)) for paths in every))
