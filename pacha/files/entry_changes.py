"""What differs between two entries of a path."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pacha.files.entry import Entry
from pacha.text import escape


class Aspect(Enum):
    """A part of an entry that may differ."""

    KIND = "type"
    SIZE = "size"
    CONTENT = "content"
    TARGET = "target"
    MODE = "mode"
    OWNER = "owner"
    GROUP = "group"
    ATTRIBUTE = "attribute"
    TIME = "time"
    DEVICE = "device"
    FLAGS = "inode flags"
    LINKS = "hard links"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Change:
    """One aspect that differs; ``values``: old and new, where short; ``name``: of the extended attribute."""

    aspect: Aspect
    values: str = ""
    name: bytes = b""

    def __str__(self) -> str:
        """In words, safe to print."""
        return " ".join(filter(None, [self.aspect.value, escape(self.name), self.values]))


def differences(old: Entry, new: Entry) -> list[Change]:
    """The aspects in which ``old`` and ``new`` differ. Pure."""
    if old.kind is not new.kind:
        return [Change(Aspect.KIND, f"{old.kind.value} -> {new.kind.value}")]
    changes = []
    if old.size != new.size:
        changes.append(Change(Aspect.SIZE, f"{old.size} -> {new.size}"))
    elif old.sha256 != new.sha256:
        changes.append(Change(Aspect.CONTENT))
    if old.target != new.target:
        changes.append(Change(Aspect.TARGET, f"{escape(old.target or b'')} -> {escape(new.target or b'')}"))
    if old.mode != new.mode:
        changes.append(Change(Aspect.MODE, f"{old.mode:04o} -> {new.mode:04o}"))
    if (old.uid, old.owner) != (new.uid, new.owner):
        changes.append(Change(Aspect.OWNER, f"{_account(old.owner, old.uid)} -> {_account(new.owner, new.uid)}"))
    if (old.gid, old.group) != (new.gid, new.group):
        changes.append(Change(Aspect.GROUP, f"{_account(old.group, old.gid)} -> {_account(new.group, new.gid)}"))
    before, after = dict(old.xattrs), dict(new.xattrs)
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    changes += [Change(Aspect.ATTRIBUTE, name=name) for name in names]
    if None not in (old.project, new.project) and old.project != new.project:
        changes.append(Change(Aspect.PROJECT, f"{old.project} -> {new.project}"))
    plain = {"mtime_ns": Aspect.TIME, "device": Aspect.DEVICE, "flags": Aspect.FLAGS, "link_group": Aspect.LINKS}
    return changes + [Change(aspect) for name, aspect in plain.items() if getattr(old, name) != getattr(new, name)]


def _account(name: bytes | None, number: int) -> str:
    return f"{escape(name)} ({number})" if name is not None else str(number)
