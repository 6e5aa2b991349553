"""What a rebuild could not restore is owed: pushes keep what was recorded of it until it is resolved.

Otherwise the first push by cron after a partial rebuild would make the damage the newest snapshot.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, replace
from itertools import count

from pacha.files import acl
from pacha.files.metadata import Entry, Kind
from pacha.files.owners import Account, Accounts
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder

_ABSENT = "absent"
_FIRST_FREE = 2**31  #: no system gives out numbers from here on


def remember(state: StateFolder, paths: Iterable[bytes], left: Mapping[bytes, Entry]) -> None:
    """Remember ``paths`` as owed, each as it was ``left`` on disk (absent from it: not there)."""
    state.update(owed={path: _mark(left.get(path)) for path in paths})


def resolve(
    state: StateFolder, tried: Collection[bytes], unrestored: Iterable[bytes], left: Mapping[bytes, Entry]
) -> None:
    """Of the paths ``tried`` only the ``unrestored`` are owed from now on, each as it was ``left``; others stay."""
    before = {path: mark for path, mark in state.read().owed.items() if path not in tried}
    state.update(owed=before | {path: _mark(left.get(path)) for path in unrestored})


def paths(state: StateFolder) -> frozenset[bytes]:
    """The paths that are owed."""
    return frozenset(state.read().owed)


def interrupted_rebuilds(state: StateFolder, last: Snapshot) -> list[str]:
    """The ids of the interrupted rebuilds of what is watched in ``last``: neither finished nor undone since."""
    if not (state.path / "rebuilds").is_dir():  # most machines never had one: nothing to import
        return []
    from pacha.restore.journal import unfinished
    from pacha.restore.journal_records import Root

    live, interrupted = {watched.path for watched in last.live}, []
    for journal in unfinished(os.fsencode(state.path)):
        if any(isinstance(record, Root) and record.path in live for record in journal.records):
            interrupted.append(journal.id)
        journal.close()
    return interrupted


def keep_recorded(
    state: StateFolder, found: Mapping[bytes, Entry], recorded: Mapping[bytes, Entry]
) -> tuple[dict[bytes, Entry], frozenset[bytes]]:
    """``found`` with the ``recorded`` entry of each owed path that is still as the rebuild left it.

    Also returns the paths that are still owed; one that was changed since is the owner's own business.
    """
    entries, still = dict(found), set()
    for path, mark in sorted(state.read().owed.items()):
        if path in recorded and _mark(found.get(path)) == mark and _has_place(path, entries, recorded):
            entries[path] = recorded[path]
            still.add(path)
    return entries, frozenset(still)


def _has_place(path: bytes, entries: Mapping[bytes, Entry], recorded: Mapping[bytes, Entry]) -> bool:
    """Whether the directory that ``path`` was recorded in is still one: no snapshot has entries that lie in nothing."""
    folder = os.path.dirname(path)
    now = entries.get(folder)
    return folder not in recorded or (now is not None and now.kind is Kind.DIRECTORY)


def in_numbers_of(
    machine: Accounts, entries: Mapping[bytes, Entry], still: Iterable[bytes], recorded: Sequence[Account]
) -> tuple[dict[bytes, Entry], tuple[Account, ...]]:
    """``entries`` with the ACLs of the ``still`` owed ones in this ``machine``'s numbers, as all others have them.

    Also returns the ``recorded`` accounts that are missing here, for the snapshot to go on naming them; one whose
    number is somebody else's now gets one that is nobody's.
    """
    kept = {path: entries[path] for path in still}
    users = {account.number: account for account in recorded if not account.is_group}
    groups = {account.number: account for account in recorded if account.is_group}
    uids = _numbers(users, machine.uid, machine.users)
    gids = _numbers(groups, machine.gid, machine.groups)
    mapped = dict(entries)
    for path, entry in kept.items():
        xattrs, _ = acl.mapped(entry.xattrs, lambda n: uids.get(n, n), lambda n: gids.get(n, n))
        mapped[path] = replace(entry, xattrs=xattrs) if xattrs != entry.xattrs else entry
    carried = [
        replace(account, number=uids[number], gid=gids.get(account.gid, account.gid))
        for number, account in users.items()
        if machine.uid(account.name) is None
    ]
    carried += [
        replace(account, number=gids[number]) for number, account in groups.items() if machine.gid(account.name) is None
    ]
    return mapped, tuple(carried) if kept else ()


def _numbers(
    recorded: Mapping[int, Account], find: Callable[[bytes], int | None], taken: Mapping[int, bytes]
) -> dict[int, int]:
    free = (number for number in count(_FIRST_FREE) if number not in taken and number not in recorded)
    numbers = {}
    for number, account in recorded.items():
        here = find(account.name)
        numbers[number] = here if here is not None else next(free) if number in taken else number
    return numbers


def _mark(entry: Entry | None) -> str:
    """What a path looks like, without its content (whose change moves the mtime)."""
    if entry is None:
        return _ABSENT
    bare = replace(entry, sha256=None, link_group=None, stored=None, parts=0, owner=None, group=None)
    return hashlib.sha256(repr(astuple(bare)).encode("ascii", "backslashreplace")).hexdigest()[:16]
