"""Choose what a purge erases from a host's folder: which revisions of files, and which must stay.

Runs as the account that owns the folder, whose content the host may have forged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from pacha.errors import PachaError, UsageError
from pacha.files import names
from pacha.files.paths import is_within
from pacha.server.host_history import HostHistory
from pacha.store import hg, purges
from pacha.store.revspec import SnapshotRef, before, resolve
from pacha.text import enumerated, escape

_Id = tuple[bytes, bytes]  #: a stored name and a node of 20 bytes
_MOST_USERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeOrder:
    """What a person asked for: the content of ``paths`` (absolute; () for all) in which snapshots.

    ``before`` and ``at`` are WHENs; ``older_than``: seconds, 0: any age; ``keep_monthly``: for so many months, the
    newest snapshot of each is kept; ``also_newest``: even what the newest snapshot has.
    """

    paths: tuple[bytes, ...] = ()
    before: str = ""
    at: tuple[str, ...] = ()
    older_than: float = 0
    keep_monthly: int = 0
    also_newest: bool = False

    @property
    def is_everywhere(self) -> bool:
        """Whether it means all snapshots."""
        return not (self.before or self.at or self.older_than)


@dataclass(slots=True, kw_only=True)
class ErasedPath:
    """What is erased of a path: the revisions that brought it in, its bytes, when first and last, who pushed it."""

    path: bytes
    brought_by: set[str] = field(default_factory=set)
    size: int = 0
    first: float = 0.0
    last: float = 0.0
    users: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Choice:
    """The chosen ``revisions``, and what they are by path; ``places`` as in ``Purge``.

    ``gone``: chosen revisions that have no content any more, as on a master to which the host pushed them so;
    ``newest``: paths whose content in the newest snapshot was meant, too: erased only if asked for; ``unreadable``:
    snapshots that could not be looked at; ``unknown``: paths at which no snapshot has a file.
    """

    revisions: dict[str, dict[bytes, set[str]]] = field(default_factory=dict)
    gone: dict[str, dict[bytes, set[str]]] = field(default_factory=dict)
    places: dict[str, list[bytes]] = field(default_factory=dict)
    paths: dict[bytes, ErasedPath] = field(default_factory=dict)
    newest: set[bytes] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)
    unknown: list[bytes] = field(default_factory=list)


def choose(history: HostHistory, order: PurgeOrder, now: float) -> Choice:
    """What ``order`` erases. Raises UsageError, DamagedError, PachaError."""
    chosen = Choice(unreadable=[each.node for each in history.snapshots if each.node not in history.watched])
    chosen.places = _places(history, order.paths)
    chosen.unknown = [path for path in order.paths if not _is_known(history, path)]
    kept, picked = _split(history, order, now)
    for name in chosen.places:
        _choose_in(history, order, name, kept, picked, chosen)
    return chosen


def _places(history: HostHistory, paths: Sequence[bytes]) -> dict[str, list[bytes]]:
    """By repository, the stored names that ``paths`` mean (with all below): "" for every one."""
    every = {(each.repository, each.path, each.single): each for some in history.watched.values() for each in some}
    places: dict[str, list[bytes]] = {}
    for watched in every.values():
        for path in paths or (b"/",):
            if is_within(watched.path, path):
                places.setdefault(watched.repository, []).append(b"")
            elif is_within(path, watched.path) and not watched.single:
                places.setdefault(watched.repository, []).append(names.stored(watched.relative(path)))
    return places


def _is_known(history: HostHistory, path: bytes) -> bool:
    """Whether any snapshot had a file at or below ``path``, with or without its content."""
    for name, places in _places(history, [path]).items():
        repository = history.repository(name)
        stored_names = repository.stored_names() if repository else ()
        if any(purges.is_at(stored, place) for stored in stored_names for place in places):
            return True
    return False


def _split(history: HostHistory, order: PurgeOrder, now: float) -> tuple[list[str], list[str] | None]:
    """The snapshots whose content stays, and those whose content goes; None: all others."""
    every = history.snapshots
    if order.at:
        return [], [resolve(when, every, now).node for when in order.at]
    if order.before:
        gone = {each.node for each in before(order.before, every, now)}
    elif order.older_than:
        gone = _old(every, order, now)
    else:
        return [], None
    return [each.node for each in every if each.node not in gone], None


def _old(every: Sequence[SnapshotRef], order: PurgeOrder, now: float) -> set[str]:
    """The nodes of the snapshots that no rule keeps; the newest is always kept."""
    kept, months = {every[0].node}, set[int]()
    for each, at in zip(every, reversed(_times(every[::-1], now)), strict=True):
        if at >= now - order.older_than:
            kept.add(each.node)
        month = _month(at)
        if month not in months and _month(now) - month < order.keep_monthly:
            kept.add(each.node)
        months.add(month)
    return {each.node for each in every} - kept


def _times(every: Sequence[SnapshotRef], now: float) -> list[float]:
    """When each snapshot (the oldest first) says that it was made, but never earlier than the one before it.

    A host that boots without a clock says 1970 for a while. A time in the future is ignored.
    """
    times, latest = [], 0.0
    for each in every:
        said = now if each.at is None else each.at
        latest = max(latest, said) if said < now else latest
        times.append(max(latest, said))
    return times


def _month(at: float) -> int:
    local = time.localtime(at)
    return local.tm_year * 12 + local.tm_mon


def _choose_in(
    history: HostHistory, order: PurgeOrder, name: str, kept: Sequence[str], picked: list[str] | None, chosen: Choice
) -> None:
    """Add what is chosen in the repository ``name``."""
    repository = history.repository(name)
    if repository is None:
        return
    current = _current(history, repository, name)
    staying = _ids(history, repository, name, kept) | (current if history.snapshots[0].node in kept else set())
    going = None if picked is None else _ids(history, repository, name, picked)
    places = chosen.places[name]
    in_parts = {names.whole(each) for each in repository.stored_names() if each.startswith(names.PARTS)}

    def is_wanted(stored: bytes) -> bool:
        return any(purges.is_at(stored, place) for place in places)

    def is_meant(revision: hg.FileRevision) -> bool:
        identity = (revision.name, bytes.fromhex(revision.node))
        return identity not in staying and (going is None or identity in going)

    for revision in list(filter(is_meant, repository.every_revision(is_wanted))):
        if revision.is_purged:
            chosen.gone.setdefault(name, {}).setdefault(revision.name, set()).add(revision.node)
            continue
        if revision.name in in_parts and repository.has_name(revision.brought_by, names.part(revision.name, 0)):
            continue  # it only says that the file is kept in parts
        path = _path(history, name, revision.name)
        if (revision.name, bytes.fromhex(revision.node)) in current:
            chosen.newest.add(path)
            if not order.also_newest:
                continue
        chosen.revisions.setdefault(name, {}).setdefault(revision.name, set()).add(revision.node)
        _count(chosen.paths.setdefault(path, ErasedPath(path=path)), revision, repository.note(revision.brought_by))


def _ids(history: HostHistory, repository: hg.Repository, name: str, snapshots: Iterable[str]) -> set[_Id]:
    """The file revisions that ``snapshots`` have in the ``repository``, whose name is ``name``."""
    watched = (each for node in snapshots for each in history.watched.get(node, ()))
    return repository.present(
        each.node for each in watched if each.repository == name and each.node and not each.retired
    )


def _current(history: HostHistory, repository: hg.Repository, name: str) -> set[_Id]:
    """What the newest snapshot has, and what was sent for the next one."""
    newest = history.snapshots[0].node
    known = [each.node for each in history.watched.get(newest, ()) if each.repository == name and each.node is not None]
    unknown = [
        head
        for head in repository.heads()
        if not any(repository.has(node) and repository.is_ancestor(head, node) for node in known)
    ]
    return _ids(history, repository, name, [newest]) | repository.present(unknown)


def _path(history: HostHistory, repository: str, stored: bytes) -> bytes:
    """The path that a stored name means."""
    whole = names.whole(stored)
    if repository not in history.by_repository:
        return whole
    watched = history.by_repository[repository]
    try:
        return watched.path if watched.single else os.path.join(watched.path, names.original(whole))
    except ValueError:
        return os.path.join(watched.path, whole)


def _count(row: ErasedPath, revision: hg.FileRevision, note: hg.Note) -> None:
    row.brought_by.add(revision.brought_by)
    row.size += revision.size
    row.first = min(row.first or note.at, note.at)
    row.last = max(row.last, note.at)
    if note.user not in row.users and len(row.users) < _MOST_USERS:
        row.users.append(note.user)


def unfinished(history: HostHistory, recorded: Sequence[purges.Purge]) -> Iterator[str]:
    """The repositories in which something is left of what was ``recorded``: a purge was killed."""
    for name, erased in purges.merged(recorded).items():
        repository = history.repository(name)
        if repository is None:
            continue
        left = repository.file_revisions(erased.__contains__)
        if repository.has_copies() or any(revision.node in erased[revision.name] for revision in left):
            yield name


def check_newest(chosen: Choice) -> None:
    """Raise PachaError where only the newest snapshot has what was meant."""
    if chosen.newest and not chosen.revisions:
        raise PachaError(
            "The newest snapshot still has that content.",
            enumerated([escape(path) for path in sorted(chosen.newest)], 3),
            "Change or exclude it on the host, push, and run this again. Or purge it all the same: --also-newest",
            code="content-in-newest-snapshot",
        )


def check(order: PurgeOrder) -> None:
    """Raise UsageError for an order that contradicts itself, or means everything."""
    if sum([bool(order.before), bool(order.at), bool(order.older_than)]) > 1:
        raise UsageError(
            "--before, --at and --older-than exclude each other.", "", "Give one of them.", code="purge-limits-exclude"
        )
    if order.keep_monthly and not order.older_than:
        raise UsageError(
            "--keep-monthly goes with --older-than.", "", "Say how old: --older-than 2y", code="purge-without-age"
        )
    if not order.paths and not order.older_than:
        raise UsageError(
            "Nothing says what to purge.",
            "",
            "Name a PATH; or an age: --older-than 2y, or pacha.keep in the configuration.",
            code="purge-of-nothing",
        )
    if order.paths and any(not path.startswith(b"/") for path in order.paths):
        raise UsageError(
            "A path of the host begins with a '/'.", "this is the master", "Write it whole.", code="purge-path-relative"
        )
