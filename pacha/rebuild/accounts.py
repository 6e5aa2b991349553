"""The accounts of the rebuilt machine: which are missing, the commands that make them, and the owner map."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from pacha.errors import Concern, UsageError
from pacha.files import acl
from pacha.files.entry import Entry
from pacha.files.owners import Account, Accounts, is_number
from pacha.store.host_state import LONGEST
from pacha.text import escape

#: A name that useradd(8) takes without an option, whatever the distribution.
_TAKEN = re.compile(rb"[a-z_][a-z0-9_-]{0,31}\$?")
_FIRST_OF_PEOPLE = 1000  #: numbers below are system accounts' (Debian Policy 9.2.2)


def commands(
    users: Iterable[bytes], groups: Iterable[bytes], recorded: Sequence[Account], machine: Accounts
) -> list[str]:
    """The ``groupadd`` and ``useradd`` commands that make the missing ``users`` and ``groups`` as they were recorded.

    Where this machine uses a number already, the system chooses another.
    """
    known_users = {account.name: account for account in recorded if not account.is_group}
    known_groups = {account.name: account for account in recorded if account.is_group}
    names = {account.number: account.name for account in recorded if account.is_group}
    lacking_users = [known_users.get(name, Account(name=name, is_group=False, number=-1)) for name in users]
    needed = {*groups, *(names[user.gid] for user in lacking_users if user.number >= 0 and user.gid in names)}
    needed |= {group for user in lacking_users for group in user.groups}
    lines = [
        _group_line(known_groups.get(name, Account(name=name, is_group=True, number=-1)), machine)
        for name in sorted(needed)
        if machine.gid(name) is None
    ]
    return lines + [_user_line(user, names, machine) for user in lacking_users]


def read_map(path: Path) -> tuple[Mapping[bytes, bytes], Mapping[bytes, bytes]]:
    """The users and groups that a map file names: ``old:new`` for both, ``u:old:new`` or ``g:old:new`` for one.

    Ignores empty lines and lines that start with ``#``. Raises UsageError.
    """
    users: dict[bytes, bytes] = {}
    groups: dict[bytes, bytes] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read.",
            error.strerror or "",
            "Name a file of old:new lines.",
            code="owner-map-unreadable",
        ) from None
    if len(lines) > LONGEST:
        raise UsageError(
            f"{path} has more than {LONGEST} lines.", "", "Name a file of old:new lines.", code="owner-map-too-long"
        )
    for number, line in enumerate(lines, 1):
        words = [word.strip() for word in line.split(b":")]
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        kind = words.pop(0) if len(words) == 3 else b"ug"
        if len(words) != 2 or not all(words) or kind not in (b"u", b"g", b"ug"):
            raise UsageError(
                f"{path}, line {number} is not 'old:new'.",
                escape(line[:100]),
                "Correct that line.",
                code="owner-map-invalid",
            )
        if b"u" in kind:
            users[words[0]] = words[1]
        if b"g" in kind:
            groups[words[0]] = words[1]
    return users, groups


def mapped(names: Accounts, machine: Accounts, users: Mapping[bytes, bytes], groups: Mapping[bytes, bytes]) -> Accounts:
    """``names`` with each old name meaning the account of the new name on ``machine``.

    Raises UsageError for an unknown new name.
    """
    uids = {old: _number(new, machine.uid) for old, new in users.items()}
    gids = {old: _number(new, machine.gid) for old, new in groups.items()}
    wrong = [new for old, new in users.items() if uids[old] is None]
    wrong += [new for old, new in groups.items() if gids[old] is None and uids.get(old) is None]
    if wrong:
        raise UsageError(
            f"The owner map names {escape(wrong[0])}, which is not an account here.",
            "",
            "Make that account, or correct the map.",
            code="owner-map-unknown-account",
        )
    return names.with_numbers(
        {old: uid for old, uid in uids.items() if uid is not None},
        {old: gid for old, gid in gids.items() if gid is not None},
    )


def with_root(machine: Accounts, recorded: Iterable[Entry]) -> Accounts:
    """``machine`` for ``recorded`` owners: number 0 is number 0, whatever it was called there, and no other is."""
    entries = list(recorded)
    users, groups = {(e.owner, e.uid) for e in entries}, {(e.group, e.gid) for e in entries}
    return machine.with_numbers(_of_root(users, machine.uid), _of_root(groups, machine.gid))


def _of_root(
    recorded: Iterable[tuple[bytes | None, int]], find: Callable[[bytes], int | None]
) -> dict[bytes, int | None]:
    """The names of number 0 in ``recorded``, and those of other numbers which are number 0 here."""
    named = {(name, number) for name, number in recorded if name is not None}
    others: dict[bytes, int | None] = {name: None for name, number in named if number and find(name) == 0}
    return others | {name: 0 for name, number in named if number == 0}


def with_acls(
    entries: Mapping[bytes, Entry], recorded: Iterable[Account], machine: Accounts
) -> tuple[dict[bytes, Entry], list[Concern]]:
    """``entries`` with the numbers in their ACLs mapped by name, as owners are, and concerns about lost ones."""
    users = {account.number: account.name for account in recorded if not account.is_group}
    groups = {account.number: account.name for account in recorded if account.is_group}
    concerns, converted = [], dict(entries)
    for path, entry in entries.items():
        if entry.xattrs:
            xattrs, lost = acl.mapped(
                entry.xattrs,
                _finder(users, machine.uid, machine.user_name),
                _finder(groups, machine.gid, machine.group_name),
            )
            if xattrs != entry.xattrs:
                converted[path] = entry._replace(xattrs=xattrs)
            if lost:
                concerns.append(Concern(path, f"its ACL loses {', '.join(lost)}: not known here"))
    return converted, concerns


def _finder(
    recorded: Mapping[int, bytes], number_of: Callable[[bytes], int | None], name_of: Callable[[int], bytes | None]
) -> acl.Map:
    def find(number: int) -> int | None:
        name = recorded.get(number)
        if name is not None:
            return number_of(name)
        return number if name_of(number) is None else None

    return find


def _number(name: bytes, find: Callable[[bytes], int | None]) -> int | None:
    number = find(name)
    return int(name) if number is None and is_number(name) else number


def _group_line(group: Account, machine: Accounts) -> str:
    words: list[str | bytes] = ["groupadd"]
    if 0 <= group.number < _FIRST_OF_PEOPLE:
        words.append("--system")
    if _is_free(group.number, machine.group_name):
        words += ["--gid", str(group.number)]
    return _line(words, group.name)


def _user_line(user: Account, groups: Mapping[int, bytes], machine: Accounts) -> str:
    words: list[str | bytes] = ["useradd"]
    if 0 <= user.number < _FIRST_OF_PEOPLE:
        words.append("--system")
    if _is_free(user.number, machine.user_name):
        words += ["--uid", str(user.number)]
    if user.gid in groups and user.number >= 0:
        words += ["--gid", groups[user.gid]]
    if user.home:
        words += ["--home-dir", user.home, "--no-create-home"]
    if user.login_shell:
        words += ["--shell", user.login_shell]
    if user.groups:
        words += ["--groups", b",".join(user.groups)]
    return _line(words, user.name)


def _is_free(number: int, name_of: Callable[[int], bytes | None]) -> bool:
    """Whether a new account can get ``number``. A placeholder of host/owed.py is not in this range."""
    return 0 <= number < 2**31 and name_of(number) is None


def _line(words: Sequence[str | bytes], name: bytes) -> str:
    """A line for a shell that makes the account ``name``, in which each name is one quoted word, also a hostile one.

    It says where useradd(8) and groupadd(8) refuse that name: one of a directory service, for example.
    """
    line = " ".join(shlex.quote(word) if isinstance(word, str) else _quoted(word) for word in [*words, name])
    return line if _TAKEN.fullmatch(name) else f"{line}  # {line.partition(' ')[0]} refuses this name"


def _quoted(name: bytes) -> str:
    """``name`` as a word that a shell reads as just that; what cannot be printed as it reads it in $'...' (bash(1))."""
    text = name.decode("utf-8", "replace")
    if text.isprintable() and text.encode() == name:
        return shlex.quote(text)
    return (
        "$'"
        + "".join(chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in name)
        + "'"
    )
