"""Re-owning that a killed rebuild began: which numbers were to become which, and what was there before.

The numbers on disk alone do not tell: of two accounts that change places, a file that was re-owned looks like
one of the other that was not. So the moves are remembered until the rebuild is through, and its journal says
how each path was found.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pacha.files import metadata
from pacha.files.metadata import Entry
from pacha.files.owners import Accounts
from pacha.rebuild.renumber import IdChanges, step
from pacha.restore.journal import unfinished
from pacha.restore.journal_records import Altered
from pacha.restore.plan import Step
from pacha.store.state import StateFolder


@dataclass(frozen=True, slots=True)
class InterruptedRenumbering:
    """The moves of killed rebuilds, and every path that they were to alter, as the first of them found it."""

    moved: IdChanges = field(default_factory=IdChanges)
    found: Mapping[bytes, Altered] = field(default_factory=dict)


def remember(state: StateFolder, moved: IdChanges) -> None:
    """Remember on disk what is about to move; an empty one forgets."""
    both = {"users": moved.users, "groups": moved.groups}
    words = {kind: {str(n): m for n, m in numbers.items()} for kind, numbers in both.items()} if moved else None
    if words != state.memory().get("moving"):
        state.remember(moving=words)


def begun(state: StateFolder) -> InterruptedRenumbering:
    """What killed rebuilds that were neither carried through nor undone had begun."""
    memory = state.memory().get("moving") or {}
    users, groups = ({int(n): m for n, m in memory.get(kind, {}).items()} for kind in ("users", "groups"))
    moved = IdChanges(users, groups)
    found: dict[bytes, Altered] = {}
    for journal in unfinished(os.fsencode(state.path)):
        for record in journal.records:
            if isinstance(record, Altered):
                found.setdefault(record.path, record)
        journal.close()
    return InterruptedRenumbering(moved, found) if found and moved else InterruptedRenumbering()


def steps(before: InterruptedRenumbering, handled: Collection[bytes], after: Accounts) -> tuple[Step, ...]:
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
