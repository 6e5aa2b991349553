"""Hard links: which wanted files are not the inodes that they should be. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pacha.files.metadata import Entry, Kind


def misplaced(wanted: Sequence[Entry], found: Mapping[bytes, Entry]) -> frozenset[bytes]:
    """Return the paths whose wanted set of names for one inode is not the set found on disk.

    A whole group is misplaced when one of its members is, since all are to be one inode with one content
    and one set of metadata.
    """
    wanted_sets = _names([entry for entry in wanted if entry.kind is not Kind.DIRECTORY])
    found_sets = _names([entry for entry in found.values() if entry.kind is not Kind.DIRECTORY])
    wrong: set[bytes] = set()
    for entry in wanted:
        if entry.path in found and entry.kind is not Kind.DIRECTORY and entry.path not in wrong:
            here = found[entry.path]
            names = wanted_sets.get(entry.link_group, frozenset({entry.path}))
            actual = found_sets.get(here.link_group, frozenset({entry.path}))
            lonely = entry.link_group is None and here.link_group is not None
            if lonely or names != actual or _unlike(names, found):
                wrong |= names
    return frozenset(wrong)


def _unlike(names: frozenset[bytes], found: Mapping[bytes, Entry]) -> bool:
    return any(name not in found for name in names)


def _names(entries: Sequence[Entry]) -> dict[int | None, frozenset[bytes]]:
    groups: dict[int | None, set[bytes]] = defaultdict(set)
    for entry in entries:
        if entry.link_group is not None:
            groups[entry.link_group].add(entry.path)
    return {group: frozenset(paths) for group, paths in groups.items()}
