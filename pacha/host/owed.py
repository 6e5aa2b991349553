"""What a rebuild could not restore is owed: pushes keep its recorded entries until it is resolved.

Otherwise the next scheduled push after an incomplete rebuild would record the damage as the newest snapshot.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

from pacha.files import acl
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Account, Accounts
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder

if TYPE_CHECKING:
    from pacha.restore.journal import Journal

_ABSENT = "absent"
_FIRST_FREE = 2**31  #: no system gives out this number or a higher one


def remember(state: StateFolder, paths: Iterable[bytes], actual: Mapping[bytes, Entry]) -> None:
    """Remember ``paths`` as owed, each with its ``actual`` entry on disk (none: absent)."""
    state.update(owed={path: _mark(actual.get(path)) for path in paths})


def resolve(
    state: StateFolder, tried: Collection[bytes], unrestored: Iterable[bytes], actual: Mapping[bytes, Entry]
) -> None:
    """Of the paths ``tried`` only the ``unrestored`` stay owed, with their ``actual`` entries; keep all others."""
    before = {path: mark for path, mark in state.read().owed.items() if path not in tried}
    state.update(owed=before | {path: _mark(actual.get(path)) for path in unrestored})


def paths(state: StateFolder) -> frozenset[bytes]:
    """The paths that are owed."""
    return frozenset(state.read().owed)


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedRebuild:
    """A rebuild of ``host`` ("": unknown) that did not come to its end."""

    id: str
    host: str

    @property
    def cure(self) -> str:
        """What to do about it."""
        return f"Run the same 'pacha rebuild {self.host or 'HOST'}' again, or take it back: pacha undo"


def interrupted_rebuilds(state: StateFolder, last: Snapshot) -> list[InterruptedRebuild]:
    """Interrupted rebuilds of paths watched in ``last`` that were neither finished nor undone nor accepted since.

    Where nothing is watched, all but rehearsals. A machine that remembers no snapshot of its own may have put all files
    in place and ended there: what it watches, and as which host, comes with the last step.
    """
    live, incomplete = {watched.path for watched in last.live}, _journals(state, only_incomplete=True)
    if not incomplete:
        return []
    remembered, found = state.read(), []
    for each in incomplete:
        counts = not each.closed or not remembered.tip or not live
        concerns = not live.isdisjoint(each.roots) if live else not each.target
        if counts and concerns and each.id not in remembered.accepted:
            found.append(InterruptedRebuild(id=each.id, host=each.started.host if each.started else ""))
    return found


def left_by_rebuilds(state: StateFolder) -> list[bytes]:
    """The folders with content that rebuilds have put aside on this machine, and that are still there."""
    found = [os.fsencode(folder) for folder in sorted(state.path.glob("from-*"))]
    found += [folder for each in _journals(state, only_incomplete=False) for folder in each.kept]
    return [folder for folder in found if os.path.isdir(folder)]


def _journals(state: StateFolder, *, only_incomplete: bool) -> list[Journal]:
    if not (state.path / "rebuilds").is_dir():  # no rebuild: spare the import
        return []
    from pacha.restore import journal

    return (journal.incomplete if only_incomplete else journal.closed_history)(os.fsencode(state.path))


def keep_recorded(
    state: StateFolder, scanned: Mapping[bytes, Entry], recorded: Mapping[bytes, Entry]
) -> tuple[Mapping[bytes, Entry], frozenset[bytes]]:
    """``scanned`` with the ``recorded`` entry of each owed path that is still as the rebuild left it.

    Also returns the paths that are still owed; a path that was changed since is not.
    """
    marks = state.read().owed
    if not marks:
        return scanned, frozenset()
    entries, still = dict(scanned), set()
    for path, mark in sorted(marks.items()):
        folder = os.path.dirname(path)
        parent = entries.get(folder)  # a snapshot has no entries without their directory
        has_place = folder not in recorded or (parent is not None and parent.kind is Kind.DIRECTORY)
        if path in recorded and _mark(scanned.get(path)) == mark and has_place:
            entries[path] = recorded[path]
            still.add(path)
    return entries, frozenset(still)


def in_numbers_of(
    machine: Accounts, entries: Mapping[bytes, Entry], still: Iterable[bytes], recorded: Sequence[Account]
) -> tuple[Mapping[bytes, Entry], tuple[Account, ...]]:
    """``entries`` with the ACLs of the ``still`` owed ones converted to this ``machine``'s numbers.

    Also returns the ``recorded`` accounts that are missing here, so that the snapshot still names them. One whose
    number another account has now gets a number that nobody has.
    """
    owed_entries = {path: entries[path] for path in still}
    if not owed_entries:
        return entries, ()
    users = {account.number: account for account in recorded if not account.is_group}
    groups = {account.number: account for account in recorded if account.is_group}
    uids = _numbers(users, machine.uid, machine.users)
    gids = _numbers(groups, machine.gid, machine.groups)
    mapped = dict(entries)
    for path, entry in owed_entries.items():
        xattrs, _ = acl.mapped(entry.xattrs, lambda n: uids.get(n, n), lambda n: gids.get(n, n))
        mapped[path] = entry._replace(xattrs=xattrs) if xattrs != entry.xattrs else entry
    missing = [
        replace(account, number=uids[number], gid=gids.get(account.gid, account.gid))
        for number, account in users.items()
        if machine.uid(account.name) is None
    ]
    missing += [
        replace(account, number=gids[number]) for number, account in groups.items() if machine.gid(account.name) is None
    ]
    return mapped, tuple(missing)


def _numbers(
    recorded: Mapping[int, Account], find: Callable[[bytes], int | None], used: Mapping[int, bytes]
) -> dict[int, int]:
    free = (number for number in count(_FIRST_FREE) if number not in used and number not in recorded)
    numbers = {}
    for number, account in recorded.items():
        local_number = find(account.name)
        numbers[number] = local_number if local_number is not None else next(free) if number in used else number
    return numbers


def _mark(entry: Entry | None) -> str:
    """A hash of the metadata of a path. A change of content shows in its mtime."""
    if entry is None:
        return _ABSENT
    bare = entry._replace(sha256=None, link_group=None, stored=None, parts=0, owner=None, group=None)
    values = bare[:-3]  # without ``holes``, ``project`` and ``sealed``, which earlier versions did not have
    return hashlib.sha256(repr(values).encode("ascii", "backslashreplace")).hexdigest()[:16]
