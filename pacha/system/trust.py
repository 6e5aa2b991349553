"""Find out whether an untrusted user could change a file, or put another in its place."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

_MOST_LINKS = 40  #: as the kernel has it (path_resolution(7))
_ACL = "system.posix_acl_access"


def untrusted(path: Path, trusted: Collection[int]) -> tuple[Path, str] | None:
    """Return where and why a user other than ``trusted`` (uids) could change or replace ``path``; None if nobody could.

    The place is ``path`` itself, a folder above it, or a link on the way to it. Raises OSError.
    """
    for step, status, is_last in _steps(path):
        # In a folder with the sticky bit, others may create files, but only owners rename and remove them.
        closed = not is_last and stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if reason := open_to(step, status, trusted, look_at_mode=not closed):
            return step, reason
    return None


class UntrustedError(Exception):
    """Others could change what is at ``place``, for the reason ``why``."""

    def __init__(self, place: Path, why: str) -> None:
        super().__init__(f"{place}: {why}")
        self.place, self.why = place, why


def read_trusted(path: Path, most: int) -> bytes:
    """Return the content of ``path``, up to one byte more than ``most``. Never wait for a FIFO.

    Raises UntrustedError where anybody but this user and root could change it; OSError, also where it is not a file.
    """
    if weakness := untrusted(path, {0, os.geteuid()}):
        raise UntrustedError(*weakness)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        return file.read(most + 1)


def open_to(path: Path, status: os.stat_result, trusted: Collection[int], *, look_at_mode: bool = True) -> str:
    """Return why others could change what is at ``path``, with this ``status`` (lstat); "" if they could not."""
    if status.st_uid not in trusted:
        return f"it belongs to user {status.st_uid}"
    if stat.S_ISLNK(status.st_mode) or not look_at_mode:  # a link has no mode
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "everybody may write to it"
    if status.st_mode & stat.S_IWGRP and (status.st_gid != 0 or _ACL in os.listxattr(path, follow_symlinks=False)):
        return "others may write to it (its group, or by an ACL)"
    return ""


def _steps(path: Path) -> Iterator[tuple[Path, os.stat_result, bool]]:
    """Yield each folder, link and file on the way to ``path``, its status, and whether it is the last one."""
    folder, links = "/", 0
    parts = _parts(os.path.abspath(path))
    yield Path(folder), os.lstat(folder), not parts
    while parts:
        part, *parts = parts
        step = os.path.dirname(folder) if part == ".." else os.path.join(folder, part)
        status = os.lstat(step)
        yield Path(step), status, not parts and not stat.S_ISLNK(status.st_mode)
        if not stat.S_ISLNK(status.st_mode):
            folder = step
        elif (links := links + 1) > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        else:
            target = os.readlink(step)
            folder, parts = "/" if target.startswith("/") else folder, [*_parts(target), *parts]


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
