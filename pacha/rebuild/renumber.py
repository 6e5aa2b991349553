"""Renumbered accounts: the restored account files give a name another number than this machine, or the root, did.

Every file that the rebuild does not put back itself and that belongs to such a name, or has it in an ACL, would
silently belong to somebody else: it is re-owned by name, as part of the plan, journalled and undone like
everything else. What belongs to an account that they lack gets a number that is nobody's (``host.orphans``).
"""

from __future__ import annotations

import heapq
import os
import stat
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pacha.errors import Concern
from pacha.files import acl, metadata, paths
from pacha.files.metadata import Entry
from pacha.files.owners import Accounts
from pacha.rebuild import local_files
from pacha.rebuild.id_changes import IdChanges
from pacha.restore.journal import unfinished
from pacha.restore.journal_records import Altered
from pacha.restore.plan import Action, Step
from pacha.store.host_state import Orphans, Renumbering
from pacha.store.state import StateFolder
from pacha.text import escape

_SHOWN = 10  #: paths of an account that is no more, which are remembered

#: Paths by whether they are a group's, and by the number that they keep or get.
Held = Mapping[tuple[bool, int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Reowning:
    """The steps that re-own files by name; what belongs to accounts that are no more: its paths, and who they were."""

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
    """Walk the local file systems of this machine, or of the one whose ``root`` is given, for what ``moved`` concerns.

    Left out are the paths that are ``handled`` already, and ``settled`` inodes (device, number).
    """
    boundary = local_files.boundary(root)
    steps, concerns, seen, held = (
        [],
        [*boundary.concerns],
        set(settled),
        defaultdict[tuple[bool, int], list[bytes]](list),
    )
    for directory, fd, name, found in local_files.walk(root, boundary.skipped):
        path = paths.prefix(directory) + name
        if path in handled:
            continue
        if found.st_uid in moved.lost_users:
            held[False, moved.users.get(found.st_uid, found.st_uid)].append(path)
        if found.st_gid in moved.lost_groups:
            held[True, moved.groups.get(found.st_gid, found.st_gid)].append(path)
        try:
            named_users, named_groups = _in_acls(found, name, fd)
            if not moved.concern({found.st_uid, *named_users}, {found.st_gid, *named_groups}):
                continue
            if (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                entry = metadata.from_stat(found, name, fd, path, before)
                steps.append(step(entry, entry, moved, after))
        except FileNotFoundError:
            continue  # it went away while it was looked at
        except OSError as error:
            concerns.append(Concern(path, f"not re-owned: {error.strerror}"))
    return Reowning(tuple(steps), tuple(concerns), held)


def describe(moved: IdChanges, after: Accounts, steps: Iterable[Step]) -> tuple[str, ...]:
    """Each account that moves with something of its own among ``steps``: its name, its numbers, how many paths."""
    found = [step.actual for step in steps if step.actual is not None]
    users, groups = Counter(entry.uid for entry in found), Counter(entry.gid for entry in found)
    lines = [
        f"user {escape(after.users[new])}, {old} -> {new}: {users[old]}"
        for old, new in moved.users.items()
        if users[old] and new in after.users
    ]
    lines += [
        f"group {escape(after.groups[new])}, {old} -> {new}: {groups[old]}"
        for old, new in moved.groups.items()
        if groups[old] and new in after.groups
    ]
    return tuple(lines)


def orphans_of(moved: IdChanges, held: Held, carried: Iterable[Step], target: bytes) -> tuple[Orphans, ...]:
    """What is kept for accounts that are no more: what is ``held``, and what a resumed rebuild has ``carried``."""
    names, kept = moved.names, {key: list(found) for key, found in held.items()}
    for step in carried:
        for key in ((False, step.uid), (True, step.gid)):
            if key in names:
                kept.setdefault(key, []).append(step.path)
    return tuple(
        Orphans(
            name=names[key], is_group=key[0], number=key[1], count=len(found), target=target,
            paths=tuple(heapq.nsmallest(_SHOWN, found, key=lambda path: (path.count(b"/"), path))),
        )
        for key, found in sorted(kept.items())
    )  # fmt: skip


def left_to_others(moved: IdChanges, held: Held) -> Iterator[Concern]:
    """What belongs to whoever has the number, if nothing is re-owned."""
    for key, found in held.items():
        account = f"{'group' if key[0] else 'user'} {escape(moved.names[key])} ({key[1]})"
        yield from (
            Concern(path, f"belongs to {account}, whom the restored account files do not know") for path in found
        )


def _in_acls(found: os.stat_result, name: bytes, dir_fd: int) -> tuple[set[int], set[int]]:
    if stat.S_ISLNK(found.st_mode):
        return set(), set()  # acl(5): a symbolic link has none
    return acl.numbers(metadata.read_xattrs(name, dir_fd))


def step(was: Entry, found: Entry, moved: IdChanges, after: Accounts) -> Step:
    """The step that makes ``found`` what ``was`` there before anything moved, by name."""

    def user(number: int) -> int:
        return moved.users.get(number, number)

    def group(number: int) -> int:
        return moved.groups.get(number, number)

    uid, gid = user(was.uid), group(was.gid)
    xattrs, _ = acl.mapped(was.xattrs, user, group)
    wanted = replace(was, uid=uid, gid=gid, owner=after.user_name(uid), group=after.group_name(gid), xattrs=xattrs)
    pairs = (("owner", was.uid, uid), ("group", was.gid, gid))
    words = [f"{kind} {old} -> {new}" for kind, old, new in pairs if old != new]
    words += ["ACL"] if xattrs != was.xattrs else []
    kept = uid in after.users and gid in after.groups
    reason = f"{', '.join(words)}: its account's number here" if kept else f"{', '.join(words)}: its account is no more"
    return Step(
        path=found.path,
        action=Action.METADATA,
        wanted=wanted,
        actual=found,
        uid=uid,
        gid=gid,
        mode=was.mode,
        reason=reason,
        xattrs=xattrs,
    )


@dataclass(frozen=True, slots=True)
class InterruptedRenumbering:
    """The moves of killed rebuilds, and every path that they were to alter, as the first of them found it."""

    moved: IdChanges = field(default_factory=IdChanges)
    found: Mapping[bytes, Altered] = field(default_factory=dict)


def remember_orphans(state: StateFolder, orphans: Sequence[Orphans], target: bytes = b"") -> None:
    """Remember all that is kept below ``target`` for accounts that are no more; of other places as before."""
    before = state.read().orphans
    both = (*(one for one in before if one.target != target), *orphans)
    if both != before:
        state.update(orphans=both)


def remember_id_changes(state: StateFolder, moved: IdChanges, target: bytes = b"") -> None:
    """Remember on disk what is about to move below ``target`` (b"": on this machine); an empty one forgets."""
    moving = Renumbering(users=moved.users, groups=moved.groups) if moved else None
    memory = state.read()
    if not target:
        if moving != memory.moving:
            state.update(moving=moving)
        return
    others = {place: other for place, other in memory.moving_below.items() if place != target}
    below = others | ({target: moving} if moving else {})
    if below != memory.moving_below:
        state.update(moving_below=below)


def interrupted_renumbering(state: StateFolder, target: bytes = b"") -> InterruptedRenumbering:
    """What killed rebuilds below ``target`` that were neither carried through nor undone had begun."""
    memory = state.read()
    moving = (memory.moving_below.get(target) if target else memory.moving) or Renumbering()
    moved = IdChanges(moving.users, moving.groups)
    found: dict[bytes, Altered] = {}
    for journal in unfinished(os.fsencode(state.path)):
        for record in journal.records if journal.target == target else ():
            if isinstance(record, Altered):
                found.setdefault(record.path, record)
        journal.close()
    return InterruptedRenumbering(moved, found) if found and moved else InterruptedRenumbering()


def resumed_steps(before: InterruptedRenumbering, handled: Collection[bytes], after: Accounts) -> tuple[Step, ...]:
    """The steps that carry ``before`` through, but for the paths ``handled`` already."""
    made = []
    for path, record in before.found.items():
        found = None if path in handled else _now(record, after)
        if found is not None:
            was = replace(
                found, uid=record.uid, gid=record.gid, mode=record.mode, mtime_ns=record.mtime_ns,
                xattrs=record.xattrs or found.xattrs,
            )  # fmt: skip
            again = step(was, found, before.moved, after)
            if (again.uid, again.gid, again.mode, again.xattrs) != (found.uid, found.gid, found.mode, found.xattrs):
                made.append(again)
    return tuple(made)


def _now(record: Altered, accounts: Accounts) -> Entry | None:
    """What is at the path, if it still is what the killed rebuild found there."""
    above, name = os.path.split(record.path)
    try:
        fd = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if (status.st_dev, status.st_ino) != record.old:
                return None
            return metadata.from_stat(status, name, fd, record.path, accounts)
        finally:
            os.close(fd)
    except OSError:
        return None  # it went away since
