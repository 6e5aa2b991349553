"""Orphans: files outside the watched paths whose account is missing in the restored account files.

They are kept, and named until settled, but never given to another name. A rebuild gives them a number that nobody has
and that still tells the old one (1000 becomes 2100001000). So modes keep their meaning, files of one account stay
together, and an account that is made with that number gets them back.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Collection, Iterable
from contextlib import suppress
from itertools import chain

from pacha.files.user_namespace import OVERFLOW, ranges
from pacha.store.host_state import Orphans
from pacha.text import escape

FIRST = 2_100_000_000  #: no account gets this number or a higher one: SSSD, subuid(5) and systemd-nspawn use lower ones
_LAST = 2_140_000_000
#: Unused by systemd, too (UIDS-GIDS.md), and available in a container that has only 65536 numbers.
_SMALL = range(60578, 61184)
_NOT_ACCOUNTS = frozenset({0, OVERFLOW})  #: root, and the kernel's number for an unmapped owner (user_namespaces(7))


def is_lost(number: int) -> bool:
    """Whether this number is of an account, which may be lost."""
    return number not in _NOT_ACCOUNTS


def free_number(number: int, used: Collection[int], id_map: str) -> int:
    """A number outside of ``used`` and of all ranges of accounts, for the files of account ``number``.

    ``id_map`` ("uid_map", "gid_map") says which numbers exist here (user_namespaces(7)).
    """
    if FIRST <= number < _LAST and number not in used:
        return number
    first = FIRST + number if FIRST + number < _LAST else FIRST
    mapped = ranges(id_map)
    numbers = (n for n in chain(range(first, _LAST), _SMALL) if n not in used)
    if not any(first in numbers_here for numbers_here in mapped):
        numbers = (n for n in _SMALL if n not in used)
    return next(numbers, number)


def unsettled(remembered: Iterable[Orphans], target: bytes = b"") -> tuple[Orphans, ...]:
    """The ``remembered`` orphans below ``target`` that still belong to nobody, as far as their first paths tell."""
    return tuple(orphan for orphan in remembered if orphan.target == target and _is_unsettled(orphan))


def _is_unsettled(orphan: Orphans) -> bool:
    name = None if orphan.target else _name(orphan)
    if name is not None and (name == orphan.name or orphan.number >= FIRST):
        return False  # an account has the number now
    for path in orphan.paths:
        with suppress(OSError):
            status = os.lstat(path)
            if orphan.number == (status.st_gid if orphan.is_group else status.st_uid):
                return True
    return False


def _name(orphan: Orphans) -> bytes | None:
    try:
        name = grp.getgrgid(orphan.number).gr_name if orphan.is_group else pwd.getpwuid(orphan.number).pw_name
    except KeyError:
        return None
    return os.fsencode(name)


def words(orphan: Orphans) -> str:
    """A description without paths: one line, safe to print."""
    paths = f"{orphan.count} path{'s'[: orphan.count != 1]}"
    account = f"{'group' if orphan.is_group else 'user'} {escape(orphan.name)}"
    return f"{paths} of {account}, which the restored account files do not have: kept under number {orphan.number}"
