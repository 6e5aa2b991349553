"""Renumbered accounts: the restored account files give a name another number than this machine, or the root, did.

Every file that the rebuild does not put back itself and that belongs to such a name, or has it in an ACL, would
silently belong to somebody else: it is re-owned by name, as part of the plan, journalled and undone like
everything else.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pacha.errors import Concern
from pacha.files import acl, metadata, paths
from pacha.files.metadata import Entry
from pacha.files.owners import Accounts
from pacha.rebuild import local_files
from pacha.restore.journal import unfinished
from pacha.restore.journal_records import Altered
from pacha.restore.plan import Action, Step
from pacha.store.host_state import Renumbering
from pacha.store.state import StateFolder
from pacha.text import escape


@dataclass(frozen=True, slots=True)
class IdChanges:
    """Names on both sides whose numbers differ (old number -> new), and numbers whose name is no more."""

    users: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, int] = field(default_factory=dict)
    lost_users: frozenset[int] = frozenset()
    lost_groups: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.users or self.groups or self.lost_users or self.lost_groups)

    def concern(self, users: Iterable[int], groups: Iterable[int]) -> bool:
        """Whether one of these numbers is another's now."""
        return not (self.users.keys().isdisjoint(users) and self.groups.keys().isdisjoint(groups))


@dataclass(frozen=True, slots=True)
class Reowning:
    """The steps that re-own files by name, and what belongs to nobody any more."""

    steps: tuple[Step, ...] = ()
    concerns: tuple[Concern, ...] = ()


def id_changes(before: Accounts, after: Accounts) -> IdChanges:
    """What becomes of this machine's accounts (``before``) when the account files say ``after``."""
    return IdChanges(
        {n: after.uids[name] for n, name in before.users.items() if after.uids.get(name, n) != n},
        {n: after.gids[name] for n, name in before.groups.items() if after.gids.get(name, n) != n},
        frozenset(number for number, name in before.users.items() if name not in after.uids),
        frozenset(number for number, name in before.groups.items() if name not in after.gids),
    )


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
    steps, concerns, seen = [], [*boundary.concerns], set(settled)
    for directory, fd, name, found in local_files.walk(root, boundary.skipped):
        path = paths.prefix(directory) + name
        if path in handled:
            continue
        if found.st_uid in moved.lost_users or found.st_gid in moved.lost_groups:
            concerns.append(Concern(path, _lost(found, moved, before)))
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
    return Reowning(tuple(steps), tuple(concerns))


def describe(moved: IdChanges, before: Accounts, after: Accounts, steps: Iterable[Step]) -> tuple[str, ...]:
    """Each account that moves with something of its own among ``steps``: its name, its numbers, how many paths."""
    found = [step.actual for step in steps if step.actual is not None]
    users, groups = Counter(entry.uid for entry in found), Counter(entry.gid for entry in found)
    lines = [
        f"user {escape(before.users[old])}, {old} -> {new}: {users[old]}"
        for old, new in moved.users.items()
        if users[old]
    ]
    lines += [
        f"group {escape(before.groups[old])}, {old} -> {new}: {groups[old]}"
        for old, new in moved.groups.items()
        if groups[old]
    ]
    return tuple(lines)


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
    reason = f"{', '.join(words)}: its account's number here"
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


def _lost(found: os.stat_result, moved: IdChanges, before: Accounts) -> str:
    words = []
    if found.st_uid in moved.lost_users:
        words.append(f"user {escape(before.users[found.st_uid])} ({found.st_uid})")
    if found.st_gid in moved.lost_groups:
        words.append(f"group {escape(before.groups[found.st_gid])} ({found.st_gid})")
    return f"belongs to {' and '.join(words)}, whom the restored account files do not know"


@dataclass(frozen=True, slots=True)
class InterruptedRenumbering:
    """The moves of killed rebuilds, and every path that they were to alter, as the first of them found it."""

    moved: IdChanges = field(default_factory=IdChanges)
    found: Mapping[bytes, Altered] = field(default_factory=dict)


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
