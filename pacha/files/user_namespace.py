"""Owners that a user namespace does not map: the kernel shows all of them as one number (user_namespaces(7))."""

from __future__ import annotations

import os
import stat
from functools import cache

OVERFLOW = 65534  #: /proc/sys/kernel/overflowuid, unless somebody changed that
_EVERY = range(2**32 - 1)


@cache
def ranges(id_map: str) -> tuple[range, ...]:
    """The numbers that ``id_map`` ("uid_map" or "gid_map") maps; all numbers where it cannot be read."""
    try:
        with open(f"/proc/self/{id_map}", encoding="ascii") as lines:
            return tuple(range(int(start), int(start) + int(count)) for start, _, count in map(str.split, lines))
    except (OSError, ValueError):
        return (_EVERY,)


def is_partial() -> bool:
    """Whether this is a user namespace in which some owner or group has no number."""
    return any(len(_EVERY) > sum(map(len, ranges(id_map))) for id_map in ("uid_map", "gid_map"))


def is_unmapped_user(status: os.stat_result, name: bytes, dir_fd: int) -> bool:
    """Whether the owner of ``name`` in ``dir_fd`` (lstat: ``status``) may be one that is not mapped here."""
    if status.st_uid != OVERFLOW or not is_partial():
        return False
    if not any(OVERFLOW in numbers for numbers in ranges("uid_map")):
        return True
    can_be_opened = stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)  # a device may do something then
    return not can_be_opened or not _is_ours(name, dir_fd)


def is_unmapped_group(status: os.stat_result) -> bool:
    """Whether the group of a file with this lstat is one that this namespace does not map."""
    return status.st_gid == OVERFLOW and not any(OVERFLOW in numbers for numbers in ranges("gid_map"))


def _is_ours(name: bytes, dir_fd: int) -> bool:
    """Whether the owner is mapped: only then may the namespace's root open the file with O_NOATIME (open(2))."""
    try:
        os.close(
            os.open(name, os.O_RDONLY | os.O_NOATIME | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
        )
    except OSError:
        return False
    return True
