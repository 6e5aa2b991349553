"""Rewrite passwd(5) and group(5) so that this machine keeps its numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pacha.files.owners import Accounts, is_number

_SYSTEM = range(100, 1000)  #: numbers that adduser gives to system accounts (Debian Policy 9.2.2)
_PEOPLE = range(1000, 60000)


def keep_numbers(passwd: bytes, group: bytes, machine: Accounts) -> tuple[bytes, bytes]:
    """The restored ``passwd`` and ``group`` with the numbers that ``machine`` gives to the names it has.

    A new name keeps its recorded number if no name here has it, else it gets a free one of the same range.
    """
    recorded = Accounts.from_files(passwd, group)
    uids = _assign(recorded.uids, machine.uids, machine.users)
    gids = _assign(recorded.gids, machine.gids, machine.groups)
    moved = {number: gids[name] for number, name in recorded.groups.items()}
    return _rewrite(passwd, uids, moved), _rewrite(group, gids, {})


def _assign(
    recorded: Mapping[bytes, int], machine: Mapping[bytes, int], names: Mapping[int, bytes]
) -> dict[bytes, int]:
    assigned = {name: machine[name] for name in recorded if name in machine}
    used = {*machine.values(), *recorded.values()}
    together = {number: assigned[name] for name, number in recorded.items() if name in assigned}
    for name, number in recorded.items():
        if name in assigned:
            continue
        if number not in together:  # a second name of a number shares the first one's
            together[number] = _free(number, used, names) if number in names else number
            used.add(together[number])
        assigned[name] = together[number]
    return assigned


def _free(number: int, used: set[int], names: Mapping[int, bytes]) -> int:
    """A number that is neither ``used`` nor has a name here, of the range of ``number`` if it has one."""
    ranges = (_SYSTEM, _PEOPLE) if number < _PEOPLE.start else (_PEOPLE, range(_PEOPLE.stop, 2**31))
    return next(n for numbers in ranges for n in numbers if n not in used and n not in names)


def _rewrite(text: bytes, numbers: Mapping[bytes, int], groups: Mapping[int, int]) -> bytes:
    lines = []
    for line in text.splitlines(keepends=True):
        fields = line.split(b":")
        if len(fields) > 2 and is_number(fields[2]) and fields[0] in numbers:
            fields[2] = b"%d" % numbers[fields[0]]
            if len(fields) > 3 and is_number(fields[3]) and int(fields[3]) in groups:
                fields[3] = b"%d" % groups[int(fields[3])]
        lines.append(b":".join(fields))
    return b"".join(lines)
