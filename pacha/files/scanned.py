"""The result of a scan, and what of it is as at the one before: that is taken as it is known, or not even read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice

from pacha.errors import Concern
from pacha.files import paths
from pacha.files.amended import Amended
from pacha.files.listing import WATCHED, Fingerprints, Listing
from pacha.files.metadata import Entry

SOCKET = "a socket"  #: why it is left out
_FEW = 500  #: paths that differ, up to which what is known of the others is not looked at


@dataclass(slots=True, kw_only=True)
class Scan:
    """The result of a scan. ``unread``: files whose content may be new; their entries have no sha256.

    ``listings``: by directory, what it listed; ``same``: those directories that list what they listed before; ``kept``:
    the names that are as before, of each other one; ``doubtful``: the paths that have to be looked at again, whatever
    was listed.
    """

    entries: Mapping[bytes, Entry] = field(default_factory=dict)
    listings: dict[bytes, Listing] = field(default_factory=dict)
    same: set[bytes] = field(default_factory=set)
    kept: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    doubtful: set[bytes] = field(default_factory=set)
    count: int = 0  #: of the paths that were looked at until now
    unread: set[bytes] = field(default_factory=set)
    concerns: list[Concern] = field(default_factory=list)
    left_out: dict[bytes, str] = field(default_factory=dict)  #: what is not kept by a rule, in words, by path
    linked: dict[tuple[int, int], list[bytes]] = field(default_factory=dict)  #: (device, inode): its names
    mounted: set[bytes] = field(default_factory=set)  #: mount points, and those that are not mounted now

    @property
    def fingerprints(self) -> Fingerprints:
        """The fingerprints for the next scan; where something is doubtful, other paths may be recorded as well."""
        return Fingerprints(self.listings, self.left_out, are_recorded=not self.doubtful).without(self.doubtful)


def is_as_before(result: Scan, before: Fingerprints) -> bool:
    """Whether every directory, and each watched path itself, is what it was, and none of them is missing."""
    looked_at = result.entries or result.doubtful or result.concerns
    return not looked_at and result.same | {WATCHED} == before.listings.keys()


def left_out_before(result: Scan, before: Fingerprints) -> Iterator[tuple[bytes, str]]:
    """What was left out and is as it was, and why; not what is walked into by the rules of now."""
    for path, what in before.left_out.items():
        folder = paths.parent(path)
        is_same = folder in result.same or paths.name(path) in result.kept.get(folder, ())
        if is_same and path not in result.listings:
            yield path, what


def fill(entries: dict[bytes, Entry], known: Mapping[bytes, Entry], result: Scan, before: Fingerprints) -> None:
    """Take what is known of all that is as before: the objects that there are.

    What was left out then is not known; what was removed since it was listed is doubtful.
    """
    same = ((folder, before.listings[folder].listed) for folder in result.same)
    for folder, names_as_before in chain([(WATCHED, _kept_in(WATCHED, result, before))], same, result.kept.items()):
        prefix = _prefix(folder)
        for name in names_as_before:
            entry = known.get(prefix + name)
            if entry is not None and entry.path not in result.doubtful:
                entries[entry.path] = entry


def _prefix(folder: bytes) -> bytes:
    """What begins the path of each name in the listing of ``folder``."""
    return b"" if folder == WATCHED else paths.prefix(folder)


def _kept_in(folder: bytes, result: Scan, before: Fingerprints) -> Collection[bytes]:
    """The names that are as before in ``folder``, which does not list the same."""
    if folder != WATCHED:
        return result.kept.get(folder, ())
    watched = result.listings.get(WATCHED, Listing()).by_name
    return [path for path, mark in before.of_folder(WATCHED).items() if watched.get(path) == mark]


def amended(result: Scan, known: Mapping[bytes, Entry], before: Fingerprints) -> Mapping[bytes, Entry] | None:
    """``known`` with what differs from it; None where all of it has to be looked at to tell.

    That is so where something cannot be looked at, where hard links may have changed, and where the number of paths
    is not the one to expect: what was recorded without a fingerprint may be gone. A dict is there as a whole already.
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
    """The paths that had a fingerprint, and are neither as before nor anything else now."""
    for folder, listing in before.listings.items():
        if folder not in result.same:
            prefix, kept = _prefix(folder), _kept_in(folder, result, before)
            for name in listing.listed:
                if name not in kept and prefix + name not in result.entries:
                    yield prefix + name


def _count(result: Scan, before: Fingerprints) -> int:
    """How many entries there are, where those of ``result`` are the ones that are not as before."""
    kept = sum(before.listings[folder].size for folder in result.same) + sum(map(len, result.kept.values()))
    sockets = sum(what == SOCKET for _, what in left_out_before(result, before))
    return len(result.entries) + len(_kept_in(WATCHED, result, before)) + kept - sockets
