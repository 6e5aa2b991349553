"""The result of a scan, and the part of it that did not change since the last one: its known entries are used."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from pacha.errors import Concern
from pacha.files import paths
from pacha.files.amended import Amended
from pacha.files.entry import Entry
from pacha.files.listing import WATCHED, Fingerprints, Listing

SOCKET = "a socket"  #: why it is left out
_FEW = 500  #: paths that differ; where there are more, all known entries are looked at


@dataclass(slots=True, kw_only=True)
class Scan:
    """The result of a scan. ``to_read``: files whose content may be new; their entries have no sha256.

    ``listings``: by directory, what it listed; ``same``: the directories that list the same as before; ``unchanged``:
    of the others, the names with the same fingerprint; ``doubtful``: the paths that the next scan must look at again.
    """

    entries: Mapping[bytes, Entry] = field(default_factory=dict)
    listings: dict[bytes, Listing] = field(default_factory=dict)
    same: set[bytes] = field(default_factory=set)
    unchanged: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    doubtful: set[bytes] = field(default_factory=set)
    count: int = 0  #: of the paths that were looked at so far
    to_read: set[bytes] = field(default_factory=set)
    concerns: list[Concern] = field(default_factory=list)
    left_out: dict[bytes, str] = field(default_factory=dict)  #: paths left out on purpose, each with the reason
    linked: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)  #: (device, inode): its names
    mounted: set[bytes] = field(default_factory=set)  #: mount points, and those that are not mounted now

    @property
    def fingerprints(self) -> Fingerprints:
        """Those for the next scan. A doubtful path has no fingerprint, though pacha.db may have its entry."""
        return Fingerprints(self.listings, self.left_out, are_recorded=not self.doubtful).without(self.doubtful)


def is_as_before(result: Scan, before: Fingerprints) -> bool:
    """Whether every directory and each watched path itself is the same as before, and none is missing."""
    differs = result.entries or result.doubtful or result.concerns
    return not differs and result.same | {WATCHED} == before.listings.keys()


def left_out_before(result: Scan, before: Fingerprints) -> Iterator[tuple[bytes, str]]:
    """The paths that were left out before and did not change, and why; not those that the rules of now let in."""
    for path, what in before.left_out.items():
        folder = paths.parent(path)
        is_same = folder in result.same or paths.name(path) in result.unchanged.get(folder, ())
        if is_same and path not in result.listings:
            yield path, what


def fill(entries: dict[bytes, Entry], known: Mapping[bytes, Entry], result: Scan, before: Fingerprints) -> None:
    """Put the known entries of all that is the same as ``before`` into ``entries``: the very objects.

    A path that was left out has no known entry; one that was removed since it was listed is doubtful.
    """
    watched = (WATCHED, _unchanged_in(WATCHED, result, before))
    same = ((folder, before.listings[folder].names) for folder in result.same)
    for folder, names_as_before in chain([watched], same, result.unchanged.items()):
        prefix = _prefix(folder)
        for name in names_as_before:
            entry = known.get(prefix + name)
            if entry is not None and entry.path not in result.doubtful:
                entries[entry.path] = entry


def _prefix(folder: bytes) -> bytes:
    """The beginning of each path in the listing of ``folder``, before its name there."""
    return b"" if folder == WATCHED else paths.prefix(folder)


def _unchanged_in(folder: bytes, result: Scan, before: Fingerprints) -> Collection[bytes]:
    """The names with the same fingerprint in ``folder``, which does not list the same."""
    if folder != WATCHED:
        return result.unchanged.get(folder, ())
    watched = result.listings.get(WATCHED, Listing()).by_name
    return [path for path, mark in before.of_folder(WATCHED).items() if watched.get(path) == mark]


def amended(result: Scan, known: Mapping[bytes, Entry], before: Fingerprints) -> Mapping[bytes, Entry] | None:
    """``known`` with the few entries that differ; None where that cannot be told without reading all of ``known``.

    It cannot where many differ, where a path could not be accessed, where hard links may have changed, and where there
    are not as many paths as expected: one that was recorded without a fingerprint may be gone. None also where
    ``known`` is a dict: all of it has been read already.
    """
    taken = result.entries
    if type(known) is dict:
        return None
    if not before.listings or result.doubtful or result.concerns or len(taken) > _FEW:
        return None
    gone = list(islice(_gone(result, before), _FEW + 1))
    if len(gone) > _FEW or any(path in taken for members in result.linked.values() for path in members):
        return None
    changed = {path: entry for path, entry in taken.items() if known.get(path) != entry}
    found = Amended(known, changed, frozenset(path for path in gone if known.get(path) is not None))
    if any(entry.link_group is not None for entry in found.replaced) or len(found) != _count(result, before):
        return None
    return found if changed or found.removed else known


def _gone(result: Scan, before: Fingerprints) -> Iterator[bytes]:
    """The paths that had a fingerprint before and have no entry now."""
    for folder, listing in before.listings.items():
        if folder not in result.same:
            prefix, unchanged = _prefix(folder), _unchanged_in(folder, result, before)
            for name in listing.names:
                if name not in unchanged and prefix + name not in result.entries:
                    yield prefix + name


def _count(result: Scan, before: Fingerprints) -> int:
    """How many entries there are in all, where ``result`` has only those that differ from ``before``."""
    unchanged = sum(before.listings[folder].size for folder in result.same) + sum(map(len, result.unchanged.values()))
    sockets = sum(what == SOCKET for _, what in left_out_before(result, before))
    return len(result.entries) + len(_unchanged_in(WATCHED, result, before)) + unchanged - sockets
