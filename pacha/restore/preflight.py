"""The pre-flight: before the first change, find what this machine's file systems will not allow. Reads only.

Directories are entered as they are when the plan is applied, so that a link that would be refused then is reported now.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pacha.files import paths
from pacha.files.entry import EVERYWHERE, Kind
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import explain, is_closed_to_owner
from pacha.restore.plan import Action, Plan, Step

_NEW = frozenset({Action.CREATE, Action.REPLACE})
_MOVING = frozenset({Action.REPLACE, Action.EXTRA})
_PER_FILE = 4096  #: bytes, roughly, that a name, an inode and a last block cost at most


@dataclass(frozen=True, slots=True)
class Shortage:
    """A file system with too little room for the plan.

    ``path`` is a directory on it; ``needed`` and ``free`` count bytes, or, with ``inodes``, files.
    """

    path: bytes
    needed: int
    free: int
    inodes: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """``hindrances``: by path, why a step is impossible; ``shortages``: the file systems with too little room."""

    hindrances: Mapping[bytes, str] = field(default_factory=dict)
    shortages: tuple[Shortage, ...] = ()


def preflight(plan: Plan, holes: Mapping[bytes, int], mounts: Iterable[bytes], target: bytes = b"") -> Findings:
    """Check every directory in which ``plan`` would change something, and its file system. Raises nothing.

    ``holes``: by path, how many bytes of a file take no room; ``mounts``: the mount points of this machine (bytes);
    ``target``: a directory that a rehearsal creates first where it is missing.
    """
    with SafeDirectories(plan.roots, plan.confined_to) as tree:
        flight = _Flight(plan=plan, tree=tree, mounts=frozenset(mounts), target=target)
        for step in plan.steps:
            possible = EVERYWHERE if step.wanted is None or step.wanted.holes is None else step.wanted.holes
            flight.check(step, min(holes.get(step.path, 0), sum(length for _, length in possible)))
        return Findings(flight.hindrances, tuple(flight.shortages()))


@dataclass(slots=True)
class _Place:
    """An existing directory, its resolved path (``real``) and its file system.

    ``trouble``: why nothing in it can change; ``closed``: why no name in it can, while metadata can.
    """

    path: bytes
    real: bytes
    device: int
    trouble: str = ""
    closed: str = ""


@dataclass(kw_only=True)
class _Flight:
    plan: Plan
    tree: SafeDirectories
    mounts: frozenset[bytes]
    target: bytes
    hindrances: dict[bytes, str] = field(default_factory=dict)
    places: dict[bytes, _Place | str] = field(default_factory=dict)
    #: by path of a directory that the plan creates, the nearest existing directory above it
    existing_above: dict[bytes, _Place] = field(default_factory=dict)
    #: directories that cannot be created
    lost: set[bytes] = field(default_factory=set)
    #: by st_dev, the bytes and the inodes that the plan needs there, and a directory there
    needs: dict[int, list[int]] = field(default_factory=dict)
    place_on: dict[int, _Place] = field(default_factory=dict)
    #: link groups that are counted already
    counted: set[int] = field(default_factory=set)

    def check(self, step: Step, hole: int) -> None:
        changing = step.action in _NEW or step.action is Action.METADATA
        if not (changing or (step.action is Action.EXTRA and self.plan.delete)):
            return
        parent = paths.parent(step.path)
        if parent in self.lost:
            self._lose(step)
            return
        place = self.existing_above.get(parent) or self.place(parent)
        if isinstance(place, str):
            trouble = f"its directory cannot be reached: {place}"
        else:
            trouble = place.trouble or ("" if step.action is Action.METADATA else place.closed)
            trouble = trouble or (self._mounted(step, place) if step.action in _MOVING else "")
        if trouble or isinstance(place, str):
            self.hindrances[step.path] = trouble
            self._lose(step)
        elif step.action in _NEW:
            self._count(step, place, hole)

    def _lose(self, step: Step) -> None:
        """If ``step`` is a directory that cannot be created, skip everything in it."""
        if step.action in _NEW and step.wanted is not None and step.wanted.kind is Kind.DIRECTORY:
            self.lost.add(step.path)

    def place(self, path: bytes) -> _Place | str:
        """Return the directory ``path``, or in words why it cannot be entered."""
        if path not in self.places:
            try:
                self.places[path] = _enter(path, self.tree)
            except FileNotFoundError as error:
                made_first = path != b"/" and paths.is_within(self.target, path)
                self.places[path] = self.place(paths.parent(path)) if made_first else explain(error)
            except OSError as error:
                self.places[path] = explain(error)
        return self.places[path]

    def _mounted(self, step: Step, place: _Place) -> str:
        real = paths.prefix(place.real) + paths.name(step.path)
        if real in self.mounts:
            return "a file system is mounted on it"
        directory = step.actual is not None and step.actual.kind is Kind.DIRECTORY
        if directory and any(mount.startswith(real + b"/") for mount in self.mounts):
            return "a file system is mounted below it"
        return ""

    def _count(self, step: Step, place: _Place, hole: int) -> None:
        assert step.wanted is not None
        if step.wanted.kind is Kind.DIRECTORY:
            self.existing_above[step.path] = place
        group = step.wanted.link_group
        if group is not None and group in self.counted:
            return
        if group is not None:
            self.counted.add(group)
        self.place_on.setdefault(place.device, place)
        need = self.needs.setdefault(place.device, [0, 0])
        need[0] += max(0, step.wanted.size - hole) + _PER_FILE
        need[1] += 1

    def shortages(self) -> Iterator[Shortage]:
        """Yield the file systems with too little room, for each its bytes before its inodes."""
        for device, (size, count) in self.needs.items():
            place = self.place_on[device]
            try:
                statistics = os.fstatvfs(self.tree.enter(place.path))
            except OSError:
                continue  # writing will fail and report it
            blocks = statistics.f_bfree if os.geteuid() == 0 else statistics.f_bavail
            if size > blocks * statistics.f_frsize:
                yield Shortage(place.path, size, blocks * statistics.f_frsize)
            if statistics.f_files and count > statistics.f_favail:  # btrfs counts none
                yield Shortage(place.path, count, statistics.f_favail, inodes=True)


def _enter(path: bytes, tree: SafeDirectories) -> _Place:
    fd = tree.enter(path)
    trouble, closed, reference = "", "", b"/proc/self/fd/%d" % fd
    if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
        trouble = "its file system is mounted read-only"
    elif not os.access(reference, os.W_OK | os.X_OK):  # access(2): old container engines refuse faccessat2(2)
        closed = "" if is_closed_to_owner(os.fstat(fd)) else "its directory may not be written to"
    return _Place(path, os.readlink(reference), os.fstat(fd).st_dev, trouble, closed)
