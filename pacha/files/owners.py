"""Names and numbers of accounts: those of this machine, or of a passwd and a group file."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LARGEST_ID = 2**32 - 2  # (uid_t) -1 means "leave as it is" to chown(2)
_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One user or group with the fields of passwd(5) and group(5) that a person needs to create it again.

    ``number`` is the uid or gid; ``gid``, ``home``, ``shell`` and ``groups`` (supplementary ones, by name)
    are a user's alone. All names are bytes.
    """

    name: bytes
    is_group: bool
    number: int
    gid: int = 0
    home: bytes = b""
    login_shell: bytes = b""
    groups: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Accounts:
    """Names <-> numbers. The first line of a number or a name wins, as in getpwuid(3)."""

    users: Mapping[int, bytes]
    groups: Mapping[int, bytes]
    uids: Mapping[bytes, int]
    gids: Mapping[bytes, int]

    def user_name(self, uid: int) -> bytes | None:
        """The name (bytes) of user ``uid``, or None."""
        return self.users.get(uid)

    def group_name(self, gid: int) -> bytes | None:
        """The name (bytes) of group ``gid``, or None."""
        return self.groups.get(gid)

    def uid(self, name: bytes) -> int | None:
        """The number of the user ``name``, or None."""
        return self.uids.get(name)

    def gid(self, name: bytes) -> int | None:
        """The number of the group ``name``, or None."""
        return self.gids.get(name)

    @classmethod
    def of_machine(cls) -> Accounts:
        """The accounts that this machine's name service enumerates (getpwent(3), getgrent(3))."""
        return cls._from_pairs(
            [(os.fsencode(p.pw_name), p.pw_uid) for p in pwd.getpwall()],
            [(os.fsencode(g.gr_name), g.gr_gid) for g in grp.getgrall()],
        )

    @classmethod
    def from_files(cls, passwd: bytes, group: bytes) -> Accounts:
        """The accounts in a passwd(5) and a group(5) file (their content); malformed lines are skipped."""
        return cls._from_pairs(_pairs(passwd), _pairs(group))

    @classmethod
    def _from_pairs(cls, users: Iterable[tuple[bytes, int]], groups: Iterable[tuple[bytes, int]]) -> Accounts:
        by_uid: dict[int, bytes] = {}
        by_user: dict[bytes, int] = {}
        by_gid: dict[int, bytes] = {}
        by_group: dict[bytes, int] = {}
        for name, number in users:
            by_uid.setdefault(number, name)
            by_user.setdefault(name, number)
        for name, number in groups:
            by_gid.setdefault(number, name)
            by_group.setdefault(name, number)
        return cls(by_uid, by_gid, by_user, by_group)


def describe(users: Iterable[bytes], groups: Iterable[bytes]) -> tuple[Account, ...]:
    """This machine's accounts with these names, and the groups of those users; groups first."""
    memberships: dict[str, list[bytes]] = {}
    all_groups = grp.getgrall()
    for group in all_groups:
        for member in group.gr_mem:
            memberships.setdefault(member, []).append(os.fsencode(group.gr_name))
    user_accounts = [user for name in sorted(users) if (user := _user(name, memberships)) is not None]
    group_names = {*groups, *(name for user in user_accounts for name in user.groups)}
    primary = {user.gid for user in user_accounts}
    every = [Account(name=os.fsencode(g.gr_name), is_group=True, number=g.gr_gid) for g in all_groups]
    group_accounts = [group for group in every if group.name in group_names or group.number in primary]
    return (*sorted(group_accounts, key=lambda group: group.name), *user_accounts)


def _user(name: bytes, memberships: Mapping[str, list[bytes]]) -> Account | None:
    try:
        user = pwd.getpwnam(os.fsdecode(name))
    except KeyError:
        return None
    home, shell = os.fsencode(user.pw_dir), os.fsencode(user.pw_shell)
    groups = tuple(sorted(memberships.get(user.pw_name, [])))
    return Account(
        name=name, is_group=False, number=user.pw_uid, gid=user.pw_gid, home=home, login_shell=shell, groups=groups
    )


def _pairs(content: bytes) -> list[tuple[bytes, int]]:
    pairs = []
    for line in content.splitlines():
        fields = line.split(b":")
        if len(fields) > 2 and fields[0] and is_number(fields[2]):
            pairs.append((fields[0], int(fields[2])))
    return pairs


def is_number(text: bytes) -> bool:
    """Whether ``text`` can be the number of an account. Python refuses to read one of thousands of digits."""
    return text.isdigit() and len(text) <= _DIGITS and int(text) <= LARGEST_ID
