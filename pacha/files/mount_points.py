"""Mount points below and above watched paths: a volume that is not mounted today has not lost its files."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from pacha.files import paths
from pacha.files.entry import Entry, Kind
from pacha.system.mounts import OF_THE_KERNEL, mounts

NOT_MOUNTED = (
    "what was mounted there is not mounted now; its last version stays (if it is gone for good: pacha push --accept)"
)


@dataclass(frozen=True, slots=True)
class MountPoints:
    """The mount points of this machine ``now``, and those that a scan ``before`` met (absolute paths).

    ``pseudo_filesystems``: the types of the file systems that the kernel makes up, by st_dev.
    """

    now: frozenset[bytes] = frozenset()
    before: frozenset[bytes] = frozenset()
    pseudo_filesystems: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def of_machine(cls, before: Iterable[bytes]) -> MountPoints:
        """Those of this machine; where they cannot be read, none is mounted ``now``."""
        try:
            mounted = list(mounts())
        except OSError:
            mounted = []
        pseudo_filesystems = {mount.number: mount.kind for mount in mounted if mount.kind in OF_THE_KERNEL}
        return cls(frozenset(mount.path for mount in mounted), frozenset(before), pseudo_filesystems)

    def met(self, watched: bytes, entries: Container[bytes]) -> set[bytes]:
        """The mount points among ``entries``, and that of the volume on which ``watched`` lies, unless it is ``/``."""
        volume = next((path for path in (watched, *paths.ancestors(watched)) if path in self.now), b"/")
        below = {path for path in self.now if paths.is_within(path, watched)}  # mostly none: that is quick
        return ({volume} - {b"/"}) | {path for path in below if path in entries}

    def is_missing(self, path: bytes, fd: int, known: Mapping[bytes, Entry]) -> bool:
        """Whether the volume at ``path`` (open as ``fd``) is not mounted any more, and nothing of it is there."""
        return path in self.before and path not in self.now and _has_nothing_of(path, fd, known)

    def is_below_missing(self, watched: bytes, fd: int, known: Mapping[bytes, Entry]) -> bool:
        """The same for the volume on which the ``watched`` directory was."""
        return bool(self.missing_above(watched)) and _has_nothing_of(watched, fd, known)

    def missing_above(self, path: bytes) -> frozenset[bytes]:
        """The mount points at or above ``path`` that are not mounted any more."""
        return self.before.intersection([path, *paths.ancestors(path)]) - self.now

    def missing_near(self, places: Iterable[bytes]) -> list[bytes]:
        """The mount points at, above or below one of ``places`` that are not mounted any more."""
        around = list(places)
        return [
            path
            for path in sorted(self.before - self.now)
            if any(paths.is_within(path, place) or paths.is_within(place, path) for place in around)
        ]

    def kept_with(self, path: bytes, is_watched: bool) -> set[bytes]:
        """The mount points to remember with the kept entries of ``path``; with its volume if it ``is_watched``."""
        above = {path, *paths.ancestors(path)} if is_watched else set()
        return {place for place in self.before if place in above or paths.is_within(place, path)}

    def removed(
        self, watched: bytes, entries: Mapping[bytes, Entry], known: Mapping[bytes, Entry]
    ) -> list[tuple[bytes, list[bytes]]]:
        """The mount points below ``watched`` that do not exist any more, each with the directories missing above it.

        Left out are those whose place something else has taken, and folders below which nothing was kept.
        """
        found, gone = [], [path for path in self.before - self.now if path in known and path not in entries]
        filled = {paths.parent(below) for below in known} if gone else set()
        for path in sorted(gone):
            if paths.is_within(path, watched) and (path in filled or known[path].kind is not Kind.DIRECTORY):
                above = [folder for folder in paths.ancestors(path) if paths.is_within(folder, watched)]
                nearest = next((entries[folder] for folder in above if folder in entries), None)
                if nearest is not None and nearest.kind is Kind.DIRECTORY:
                    found.append((path, [folder for folder in above if folder not in entries and folder in known]))
        return found


def _has_nothing_of(path: bytes, fd: int, known: Mapping[bytes, Entry]) -> bool:
    """Whether ``known`` has something in the directory ``path``, and the open directory ``fd`` nothing of that."""
    recorded = {paths.name(below) for below in known if below != b"/" and paths.parent(below) == path}
    return bool(recorded) and recorded.isdisjoint(map(os.fsencode, os.listdir(fd)))
