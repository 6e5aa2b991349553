"""Keep the recorded names of accounts while a directory service does not answer.

getpwuid(3) finds nobody both while sssd is down and after userdel(8). So where nsswitch.conf(5) names more than files,
a number that has no name now keeps the recorded one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pacha.files.owners import Account, Accounts, Asked

NSSWITCH = "/etc/nsswitch.conf"
_DATABASES = ("passwd", "group", "initgroups")
_LOCAL = frozenset({"files", "systemd", "db", "altfiles"})  #: nss(5), nss-systemd(8): they always answer
_ACTION = re.compile(r"\[[^]]*\]")  #: what to do after an answer, as in [NOTFOUND=return]


@dataclass(frozen=True, slots=True)
class KnownNames:
    """The ``accounts`` of a machine, and the recorded names that they use for numbers without a name now.

    ``users`` and ``groups`` (name by number) fill while the accounts are asked.
    """

    accounts: Accounts
    users: Mapping[int, bytes]
    groups: Mapping[int, bytes]


def known_names(machine: Accounts, recorded: Iterable[Account], nsswitch: str = NSSWITCH) -> KnownNames:
    """``machine``, where a number without a name keeps its ``recorded`` one if a directory service may have it."""
    accounts = tuple(recorded) if has_directory(nsswitch) else ()
    users = {account.number: account.name for account in accounts if not account.is_group}
    groups = {account.number: account.name for account in accounts if account.is_group}
    kept_users: dict[int, bytes] = {}
    kept_groups: dict[int, bytes] = {}
    known = Accounts(
        Asked(_keeping(machine.user_name, machine.uid, users, kept_users), lambda: machine.users),
        Asked(_keeping(machine.group_name, machine.gid, groups, kept_groups), lambda: machine.groups),
        machine.uids,
        machine.gids,
    )
    return KnownNames(known, kept_users, kept_groups)


def has_directory(nsswitch: str = NSSWITCH) -> bool:
    """Whether accounts come from more than local files, by the file ``nsswitch`` in the format of nsswitch.conf(5)."""
    try:
        with open(nsswitch, encoding="ascii", errors="replace") as lines:
            pairs = [line.partition("#")[0].partition(":") for line in lines]
    except OSError:
        return False  # then glibc reads files alone
    services = [_ACTION.sub(" ", rest).split() for name, _, rest in pairs if name.strip() in _DATABASES]
    return not _LOCAL.issuperset(word for words in services for word in words)


def _keeping(
    name_of: Callable[[int], bytes | None],
    number_of: Callable[[bytes], int | None],
    recorded: Mapping[int, bytes],
    kept: dict[int, bytes],
) -> Callable[[int], bytes | None]:
    def ask(number: int) -> bytes | None:
        name = name_of(number)
        if name is None and number in recorded and number_of(recorded[number]) is None:
            name = kept[number] = recorded[number]
        return name

    return ask
