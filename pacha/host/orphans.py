"""Files outside the watched paths whose account the restored account files do not have: kept, and named until settled.

They are never given to another name. A rebuild gives them a number that is nobody's, which still tells whose they
were (1000 becomes 2100001000), so that what belonged together stays so, modes keep their meaning, and an account that
is made with that number has them back.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Collection, Iterable
from itertools import chain

from pacha.store.host_state import Orphans
from pacha.text import escape

FIRST = 2_100_000_000  #: no account gets a number from here on: above the ranges of SSSD, subuid(5) and systemd-nspawn
_LAST = 2_140_000_000
#: Unused by systemd, too (UIDS-GIDS.md), and mapped in a container that has no more than 65536 numbers.
_SMALL = range(60578, 61184)
_NOT_ACCOUNTS = frozenset({0, 65534})  #: root, and what the kernel shows where there is no owner (user_namespaces(7))


def is_lost(number: int) -> bool:
    """Whether files of this number are an account's, which may be lost."""
    return number not in _NOT_ACCOUNTS


def free_number(number: int, taken: Collection[int], id_map: str) -> int:
    """A number that is none of ``taken`` and out of anyone's range, for the files of account ``number``.

    ``id_map`` ("uid_map", "gid_map") says which there are here (user_namespaces(7)).
    """
    if FIRST <= number < _LAST and number not in taken:
        return number
    first = FIRST + number if FIRST + number < _LAST else FIRST
    known = _ranges(id_map)
    numbers = (n for n in chain(range(first, _LAST), _SMALL) if n not in taken)
    if not any(first in numbers_here for numbers_here in known):
        numbers = (n for n in _SMALL if n not in taken)
    return next(numbers, number)


def _ranges(id_map: str) -> list[range]:
    try:
        with open(f"/proc/self/{id_map}", encoding="ascii") as lines:
            return [range(int(start), int(start) + int(count)) for start, _, count in map(str.split, lines)]
    except (OSError, ValueError):
        return [range(2**32)]


def unsettled(remembered: Iterable[Orphans], target: bytes = b"") -> tuple[Orphans, ...]:
    """Those of ``remembered`` below ``target`` that still belong to nobody, as far as their first paths tell."""
    return tuple(one for one in remembered if one.target == target and _is_unsettled(one))


def _is_unsettled(one: Orphans) -> bool:
    name = None if one.target else _name(one)
    if name is not None and (name == one.name or one.number >= FIRST):
        return False  # whoever gave out that number meant it
    return any(_number(path, one.is_group) == one.number for path in one.paths)


def _number(path: bytes, is_group: bool) -> int | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_gid if is_group else status.st_uid


def _name(one: Orphans) -> bytes | None:
    try:
        name = grp.getgrgid(one.number).gr_name if one.is_group else pwd.getpwuid(one.number).pw_name
    except KeyError:
        return None
    return os.fsencode(name)


def words(one: Orphans) -> str:
    """What they are, without where: one line, safe to print."""
    paths = f"{one.count} path{'s'[: one.count != 1]}"
    account = f"{'group' if one.is_group else 'user'} {escape(one.name)}"
    return f"{paths} of {account}, which the restored account files lack: kept under number {one.number}"
