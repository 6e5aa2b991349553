"""Decide owner, group, mode and attributes of an entry on this machine. Pure: no I/O but ``Identity.of_process``.

A file whose owner or group has no account here never goes to another account. It belongs to root (or to the running
user), is readable by its owner alone, and has no setuid, setgid, ACL or capabilities.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import NamedTuple

from pacha.files.entry import Entry
from pacha.files.owners import LARGEST_ID, Accounts
from pacha.files.user_namespace import OVERFLOW
from pacha.text import escape

ACLS = frozenset({b"system.posix_acl_access", b"system.posix_acl_default"})  # acl(5)
CAPABILITY = b"security.capability"  # capabilities(7)
# Extended attributes that only a process with CAP_SYS_ADMIN or CAP_SETFCAP may set (xattr(7)).
PRIVILEGED = (b"security.", b"trusted.")
PRIVATE = 0o700
SETID = 0o6000


@dataclass(frozen=True, slots=True)
class Identity:
    """The account that restores the tree: numeric user, group and supplementary groups."""

    uid: int
    gid: int
    groups: frozenset[int]

    @classmethod
    def of_process(cls) -> Identity:
        """Return the effective identity of this process."""
        return cls(os.geteuid(), os.getegid(), frozenset({*os.getgroups(), os.getegid()}))


class Attributes(NamedTuple):
    """The attributes that an inode gets: numeric ids, twelve mode bits, mtime in nanoseconds, xattrs.

    ``flags`` (ioctl_iflags(2)) are set only on a new inode, which may have ``inherited`` others from its directory.
    """

    uid: int
    gid: int
    mode: int
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    flags: int = 0
    inherited: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """The ids on this machine for a recorded owner and group. ``unmatched``: which of them has no account here."""

    uid: int
    gid: int
    unmatched: str = ""


@dataclass
class Matcher:
    """Resolves recorded owners with ``accounts``, and collects the names that have no account."""

    accounts: Accounts
    me: Identity
    missing_users: dict[bytes, None] = field(default_factory=dict)
    missing_groups: dict[bytes, None] = field(default_factory=dict)
    _known: dict[tuple[bytes | None, int, bytes | None, int], Match] = field(default_factory=dict)

    def match(self, entry: Entry) -> Match:
        """Return the ids for ``entry``'s owner and group."""
        key = (entry.owner, entry.uid, entry.group, entry.gid)
        if key not in self._known:
            self._known[key] = self._resolve(entry)
        return self._known[key]

    def _resolve(self, entry: Entry) -> Match:
        uid, gid = self._user(entry), self._group(entry)
        missing = []
        if uid is None:
            missing.append(f"owner {_described(entry.owner, entry.uid)}")
            if entry.owner is not None:
                self.missing_users[entry.owner] = None
        if gid is None:
            missing.append(f"group {_described(entry.group, entry.gid)}")
            if entry.group is not None:
                self.missing_groups[entry.group] = None
        root = self.me.uid == 0
        own_gid = 0 if root else self.me.gid
        return Match(self.me.uid if uid is None else uid, own_gid if gid is None else gid, " and ".join(missing))

    def _user(self, entry: Entry) -> int | None:
        if entry.owner is not None:
            return _valid(self.accounts.uid(entry.owner))
        if entry.uid == 0:
            return 0  # root on every machine, even where the account files were missing
        if entry.uid == OVERFLOW:
            return None  # it stands for any owner from outside a user namespace (user_namespaces(7))
        # A number without a recorded name keeps that number only if no account here has it.
        return _valid(entry.uid) if self.accounts.user_name(entry.uid) is None else None

    def _group(self, entry: Entry) -> int | None:
        if entry.group is not None:
            return _valid(self.accounts.gid(entry.group))
        if entry.gid == 0:
            return 0
        if entry.gid == OVERFLOW:
            return None
        return _valid(entry.gid) if self.accounts.group_name(entry.gid) is None else None


def attributes(entry: Entry, match: Match, me: Identity) -> tuple[Attributes, str]:
    """Return the attributes that ``entry`` gets here, and in words what is not as recorded ('' if everything is)."""
    if match.unmatched:
        xattrs = tuple(pair for pair in entry.xattrs if pair[0] not in ACLS and pair[0] != CAPABILITY)
        uid, gid = (match.uid, match.gid) if me.uid == 0 else (me.uid, me.gid)
        safe = Attributes(uid, gid, entry.mode & PRIVATE, entry.mtime_ns, xattrs)
        owner = "root" if me.uid == 0 else "you"
        return safe, f"{match.unmatched} not known here: left to {owner} alone"
    exact = Attributes(match.uid, match.gid, entry.mode, entry.mtime_ns, entry.xattrs)
    return (exact, "") if me.uid == 0 else _unprivileged(entry, exact, me)


def _unprivileged(entry: Entry, wanted: Attributes, me: Identity) -> tuple[Attributes, str]:
    """Return the attributes that a plain user can set, and in words those that the user cannot ('' if none)."""
    uid, gid, mode, xattrs = wanted.uid, wanted.gid, wanted.mode, wanted.xattrs
    lost = []
    if uid != me.uid:
        lost.append(f"owner {_described(entry.owner, entry.uid)}")
        uid, mode = me.uid, mode & ~SETID
    if gid != me.gid and gid not in me.groups:
        lost.append(f"group {_described(entry.group, entry.gid)}")
        # The user's own group gets no more access than everybody else.
        everybody = (mode & 0o007) << 3
        gid, mode = me.gid, mode & ~SETID & (~0o070 | everybody)
        xattrs = tuple(pair for pair in xattrs if pair[0] not in ACLS)
    allowed = tuple(pair for pair in xattrs if not pair[0].startswith(PRIVILEGED))
    lost += [escape(name) for name, _ in xattrs if name.startswith(PRIVILEGED)]
    possible = Attributes(uid, gid, mode, wanted.mtime_ns, allowed)
    return possible, f"only root can restore {', '.join(lost)}" if lost else ""


def _valid(number: int | None) -> int | None:
    return number if number is not None and 0 <= number <= LARGEST_ID else None


def _described(name: bytes | None, number: int) -> str:
    return f"number {number}" if name is None else f"{escape(name)} ({number})"
