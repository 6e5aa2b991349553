"""Names and numbers of accounts: those of this machine, or of a passwd and a group file."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

LARGEST_ID = 2**32 - 2  # (uid_t) -1 means "leave as it is" to chown(2)
_DIGITS = 10
_K = TypeVar("_K")
_V = TypeVar("_V")


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


class Asked(Mapping[_K, _V]):
    """The answers of ``ask`` (None: no such key), each asked for once; iterating gives the keys that are ``listed``.

    A directory service (sssd, winbind, LDAP) answers for each of its accounts, but need not list them.
    """

    def __init__(self, ask: Callable[[_K], _V | None], listed: Callable[[], Iterable[_K]]) -> None:
        """Ask nothing yet."""
        self._ask, self._listed = ask, listed
        self._answers: dict[_K, _V | None] = {}

    def __getitem__(self, key: _K) -> _V:
        if key not in self._answers:
            self._answers[key] = self._ask(key)
        answer = self._answers[key]
        if answer is None:
            raise KeyError(key)
        return answer

    def __iter__(self) -> Iterator[_K]:
        return iter(dict.fromkeys(key for key in self._listed() if key in self))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Names <-> numbers. The first line of a number or a name wins, as in getpwuid(3).

    A machine is asked for each account, and iterating gives those that its name service lists.
    """

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
        """The accounts of this machine, as its name service answers for each (getpwuid(3), getpwnam(3))."""
        return cls(
            Asked(_user_name, lambda: (user.pw_uid for user in pwd.getpwall())),
            Asked(_group_name, lambda: (group.gr_gid for group in grp.getgrall())),
            Asked(_uid, lambda: (os.fsencode(user.pw_name) for user in pwd.getpwall())),
            Asked(_gid, lambda: (os.fsencode(group.gr_name) for group in grp.getgrall())),
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

    def with_numbers(self, uids: Mapping[bytes, int | None], gids: Mapping[bytes, int | None]) -> Accounts:
        """These accounts, but with these numbers for these names (None: no such account)."""
        users = Asked(lambda name: uids[name] if name in uids else self.uid(name), lambda: (*uids, *self.uids))
        groups = Asked(lambda name: gids[name] if name in gids else self.gid(name), lambda: (*gids, *self.gids))
        return Accounts(self.users, self.groups, users, groups)

    def with_directory(self, machine: Accounts, local: Accounts) -> Accounts:
        """These accounts in place of the ``local`` ones of ``machine``, and the accounts of its directory service.

        An account of the directory service is left out where its number or name is one of these, too.
        """
        users, uids = _both(self.users, self.uids, machine.users, machine.uids, local.uids)
        groups, gids = _both(self.groups, self.gids, machine.groups, machine.gids, local.gids)
        return Accounts(users, groups, uids, gids)


def _both(
    names: Mapping[int, bytes],
    numbers: Mapping[bytes, int],
    machine_names: Mapping[int, bytes],
    machine_numbers: Mapping[bytes, int],
    local: Mapping[bytes, int],
) -> tuple[Mapping[int, bytes], Mapping[bytes, int]]:
    """The names and the numbers of the users, or the groups, in files and in the directory service of a machine."""

    def name(number: int) -> bytes | None:
        found = names.get(number)
        if found is not None:
            return found
        found = machine_names.get(number)
        return None if found is None or found in local or found in numbers else found

    def number(name: bytes) -> int | None:
        if name in numbers or name in local:
            return numbers.get(name)
        found = machine_numbers.get(name)
        return None if found is None or found in names else found

    return Asked(name, lambda: (*names, *machine_names)), Asked(number, lambda: (*numbers, *machine_numbers))


def describe(users: Iterable[bytes], groups: Iterable[bytes]) -> tuple[Account, ...]:
    """This machine's accounts with these names, and the groups of these users; groups first."""
    user_accounts = [user for name in sorted(users) if (user := _user(name)) is not None]
    names = {*groups, *(name for user in user_accounts for name in user.groups)}
    primary = {name for user in user_accounts if (name := _group_name(user.gid)) is not None}
    numbers = [(name, _gid(name)) for name in sorted(names | primary)]
    group_accounts = [Account(name=name, is_group=True, number=gid) for name, gid in numbers if gid is not None]
    return (*group_accounts, *user_accounts)


def _user(name: bytes) -> Account | None:
    try:
        user = pwd.getpwnam(os.fsdecode(name))
    except KeyError:
        return None
    home, shell = os.fsencode(user.pw_dir), os.fsencode(user.pw_shell)
    gids = set(os.getgrouplist(user.pw_name, user.pw_gid)) - {user.pw_gid}
    groups = tuple(sorted(group for gid in gids if (group := _group_name(gid)) is not None))
    return Account(
        name=name, is_group=False, number=user.pw_uid, gid=user.pw_gid, home=home, login_shell=shell, groups=groups
    )


def _if_known(ask: Callable[[_K], _V]) -> Callable[[_K], _V | None]:
    """``ask``, but with the answer None for an account that there is not, or that there cannot be."""

    def answer(key: _K) -> _V | None:
        try:
            return ask(key)
        except (KeyError, OverflowError, ValueError):
            return None

    return answer


_user_name: Callable[[int], bytes | None] = _if_known(lambda uid: os.fsencode(pwd.getpwuid(uid).pw_name))
_group_name: Callable[[int], bytes | None] = _if_known(lambda gid: os.fsencode(grp.getgrgid(gid).gr_name))
_uid: Callable[[bytes], int | None] = _if_known(lambda name: pwd.getpwnam(os.fsdecode(name)).pw_uid)
_gid: Callable[[bytes], int | None] = _if_known(lambda name: grp.getgrnam(os.fsdecode(name)).gr_gid)


def _pairs(content: bytes) -> list[tuple[bytes, int]]:
    pairs = []
    for line in content.splitlines():
        fields = line.split(b":")
        if len(fields) > 2 and fields[0] and is_number(fields[2]):
            pairs.append((fields[0], int(fields[2])))
    return pairs


def is_number(text: bytes) -> bool:
    """Whether ``text`` can be the number of an account. Python refuses to read thousands of digits."""
    return text.isdigit() and len(text) <= _DIGITS and int(text) <= LARGEST_ID
