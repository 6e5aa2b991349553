"""Renumbered accounts: the restored account files give a name another number than the machine did.

A file outside the snapshot that belongs to such a name, or has it in an ACL, would silently belong to somebody else.
So the plan re-owns it by name, journalled and undone like everything else. A file of an account that the restored
files do not have gets a number that nobody has (``host.orphans``).
"""

from __future__ import annotations

import heapq
import os
import stat
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.files import acl, metadata, paths
from pacha.files.dirfd import DIRECTORY
from pacha.files.entry import Entry
from pacha.files.owners import Accounts
from pacha.rebuild import local_files
from pacha.rebuild.id_changes import IdChanges
from pacha.restore.journal import unfinished
from pacha.restore.journal_records import Altered
from pacha.restore.plan import Action, Step
from pacha.store.host_state import Orphans, Renumbering
from pacha.store.state import StateFolder
from pacha.system.presence import ABSENT
from pacha.text import escape

_SHOWN = 10  #: paths that are remembered for each lost account

#: Paths of lost accounts, by whether it is a group and by the number that they keep or get.
Held = Mapping[tuple[bool, int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Reowning:
    """The steps that re-own files by name, and what belongs to lost accounts: its paths, and the accounts."""

    steps: tuple[Step, ...] = ()
    concerns: tuple[Concern, ...] = ()
    held: Held = field(default_factory=dict)
    orphans: tuple[Orphans, ...] = ()


def plan_reowning(
    moved: IdChanges,
    before: Accounts,
    after: Accounts,
    handled: Collection[bytes],
    settled: Iterable[tuple[int, int]] = (),
    root: bytes = b"/",
) -> Reowning:
    """Walk the local file systems of the machine at ``root`` for files whose owner, group or ACL is in ``moved``.

    Leaves out the paths ``handled`` already and the inodes (device, number) ``settled`` already.
    """
    boundary = local_files.boundary(root)
    steps, concerns, inodes = [], [*boundary.concerns], set(settled)
    held = defaultdict[tuple[bool, int], list[bytes]](list)
    for directory, fd, name, status in local_files.walk(root, boundary.skipped, concerns):
        path = paths.prefix(directory) + name
        if path in handled:
            continue
        if status.st_uid in moved.lost_users:
            held[False, moved.users.get(status.st_uid, status.st_uid)].append(path)
        if status.st_gid in moved.lost_groups:
            held[True, moved.groups.get(status.st_gid, status.st_gid)].append(path)
        try:
            named_users, named_groups = _in_acls(status, name, fd)
            if not moved.concern({status.st_uid, *named_users}, {status.st_gid, *named_groups}):
                continue
            if (status.st_dev, status.st_ino) not in inodes:
                inodes.add((status.st_dev, status.st_ino))
                entry = metadata.from_stat(status, name, fd, path, before)
                steps.append(step(entry, entry, moved, after))
        except FileNotFoundError:
            continue  # removed meanwhile
        except OSError as error:
            concerns.append(Concern(path, f"not re-owned: {error.strerror}"))
    return Reowning(tuple(steps), tuple(concerns), held)


def describe(moved: IdChanges, after: Accounts, steps: Iterable[Step]) -> tuple[str, ...]:
    """A line for each renumbered account with files among ``steps``: its name, its numbers, how many paths."""
    entries = [step.actual for step in steps if step.actual is not None]
    users, groups = Counter(entry.uid for entry in entries), Counter(entry.gid for entry in entries)
    kinds = (("user", moved.users, after.users, users), ("group", moved.groups, after.groups, groups))
    return tuple(
        f"{kind} {escape(names[new])}, {old} -> {new}: {counts[old]}"
        for kind, numbers, names, counts in kinds
        for old, new in numbers.items()
        if counts[old] and new in names
    )


def orphans_of(moved: IdChanges, held: Held, resumed: Iterable[Step], target: bytes) -> tuple[Orphans, ...]:
    """The orphans: for each lost account its paths, those ``held`` and those of the ``resumed`` steps."""
    names, paths_by_number = moved.names, {key: list(owned) for key, owned in held.items()}
    for step in resumed:
        for key in ((False, step.uid), (True, step.gid)):
            if key in names:
                paths_by_number.setdefault(key, []).append(step.path)
    return tuple(
        Orphans(
            name=names[key], is_group=key[0], number=key[1], count=len(owned), target=target,
            paths=tuple(heapq.nsmallest(_SHOWN, owned, key=lambda path: (path.count(b"/"), path))),
        )
        for key, owned in sorted(paths_by_number.items())
    )  # fmt: skip


def left_to_others(moved: IdChanges, held: Held) -> Iterator[Concern]:
    """A concern for each file of a lost account, which is not re-owned: it belongs to whoever has the number."""
    for key, owned in held.items():
        account = f"{'group' if key[0] else 'user'} {escape(moved.names[key])} ({key[1]})"
        yield from (
            Concern(path, f"belongs to {account}, whom the restored account files do not know") for path in owned
        )


def _in_acls(status: os.stat_result, name: bytes, dir_fd: int) -> tuple[set[int], set[int]]:
    if stat.S_ISLNK(status.st_mode):
        return set(), set()  # acl(5): a symbolic link has none
    return acl.numbers(metadata.read_xattrs(name, dir_fd))


def step(was: Entry, actual: Entry, moved: IdChanges, after: Accounts) -> Step:
    """The step that gives ``actual`` the owner, group and ACL that it ``was`` recorded with, by name."""

    def user(number: int) -> int:
        return moved.users.get(number, number)

    def group(number: int) -> int:
        return moved.groups.get(number, number)

    uid, gid = user(was.uid), group(was.gid)
    xattrs, _ = acl.mapped(was.xattrs, user, group)
    wanted = was._replace(uid=uid, gid=gid, owner=after.user_name(uid), group=after.group_name(gid), xattrs=xattrs)
    pairs = (("owner", was.uid, uid), ("group", was.gid, gid))
    words = [f"{kind} {old} -> {new}" for kind, old, new in pairs if old != new]
    words += ["ACL"] if xattrs != was.xattrs else []
    exists = uid in after.users and gid in after.groups
    why = "its account's number here" if exists else "its account is no more"
    return Step(
        path=actual.path,
        action=Action.METADATA,
        wanted=wanted,
        actual=actual,
        uid=uid,
        gid=gid,
        mode=was.mode,
        reason=f"{', '.join(words)}: {why}",
        xattrs=xattrs,
    )


@dataclass(frozen=True, slots=True)
class InterruptedRenumbering:
    """The id changes of killed rebuilds, and every path that they were to alter, as the first one found it."""

    moved: IdChanges = field(default_factory=IdChanges)
    found: Mapping[bytes, Altered] = field(default_factory=dict)


def remember_orphans(state: StateFolder, orphans: Sequence[Orphans], target: bytes = b"") -> None:
    """Remember what is kept for lost accounts below ``target``, in place of what was remembered for it."""
    before = state.read().orphans
    updated = (*(orphan for orphan in before if orphan.target != target), *orphans)
    if updated != before:
        state.update(orphans=updated)


def remember_id_changes(state: StateFolder, moved: IdChanges, target: bytes = b"") -> None:
    """Remember on disk the id changes below ``target`` (b"": this machine); empty changes are forgotten."""
    moving = Renumbering(users=moved.users, groups=moved.groups) if moved else None
    host_state = state.read()
    if not target:
        if moving != host_state.moving:
            state.update(moving=moving)
        return
    rest = {place: renumbering for place, renumbering in host_state.moving_below.items() if place != target}
    below = rest | ({target: moving} if moving else {})
    if below != host_state.moving_below:
        state.update(moving_below=below)


def interrupted_renumbering(state: StateFolder, target: bytes = b"") -> InterruptedRenumbering:
    """The id changes of killed rebuilds below ``target`` that were neither resumed nor undone."""
    host_state = state.read()
    moving = (host_state.moving_below.get(target) if target else host_state.moving) or Renumbering()
    moved = IdChanges(moving.users, moving.groups)
    altered: dict[bytes, Altered] = {}
    for journal in unfinished(os.fsencode(state.path)):
        for record in journal.records if journal.target == target else ():
            if isinstance(record, Altered):
                altered.setdefault(record.path, record)
    return InterruptedRenumbering(moved, altered) if altered and moved else InterruptedRenumbering()


def resumed(before: InterruptedRenumbering, handled: Collection[bytes], after: Accounts) -> Reowning:
    """The steps that finish the renumbering ``before``, without the paths ``handled`` already.

    A path that cannot be looked at is named: it is as the killed rebuild left it.
    """
    steps, concerns = [], []
    for path, record in before.found.items():
        try:
            actual = None if path in handled else _now(record, after)
        except OSError as error:
            concerns.append(local_files.concern_of(path, error))
            continue
        if actual is not None:
            was = actual._replace(
                uid=record.uid, gid=record.gid, mode=record.mode, mtime_ns=record.mtime_ns,
                xattrs=record.xattrs or actual.xattrs,
            )  # fmt: skip
            again = step(was, actual, before.moved, after)
            is_now = (actual.uid, actual.gid, actual.mode, actual.xattrs)
            if (again.uid, again.gid, again.mode, again.xattrs) != is_now:
                steps.append(again)
    return Reowning(tuple(steps), tuple(concerns))


def _now(record: Altered, accounts: Accounts) -> Entry | None:
    """The entry at the path, if it still is the inode that the killed rebuild found there. Raises OSError."""
    above, name = os.path.split(record.path)
    try:
        fd = os.open(above, DIRECTORY)
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if (status.st_dev, status.st_ino) != record.old:
                return None
            return metadata.from_stat(status, name, fd, record.path, accounts)
        finally:
            os.close(fd)
    except ABSENT:
        return None  # removed since
