"""The hooks that a master holds for a host: where they are, which files count, who owns them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pacha.wire.scp import Limits

#: Below ``<hosts_path>/.hooks/<host>``: what runs before and after a rebuild.
HOOK_FOLDERS = ("pacha_pre", "pacha_post")
LIMITS = Limits(total_bytes=64 << 20, files=1000, depth=3)
ROOT = "root"


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook that was fetched: its folder, its name (bytes), its mode on the master, whose it is there.

    ``owner`` is "root" (and nobody else can write to it), "" where that cannot be told, else what is wrong.
    """

    folder: str
    name: bytes
    mode: int
    owner: str = ""


def folder_of(hosts_path: bytes, host: str) -> bytes:
    """Where the hooks of ``host`` lie."""
    return os.path.join(hosts_path, b".hooks", os.fsencode(host))


def is_hook_file(path: bytes, is_directory: bool) -> bool:
    """Whether ``path`` below a host's folder of hooks (bytes, '/' between) is one of its two folders, or in one."""
    top, _, below = path.partition(b"/")
    return os.fsdecode(top) in HOOK_FOLDERS and bool(below) != is_directory and b"/" not in below


def hook_of(path: bytes, mode: int, owner: str = "") -> Hook:
    """The hook that was copied to ``path`` below the folder of hooks."""
    folder, _, name = path.partition(b"/")
    return Hook(os.fsdecode(folder), name, mode, owner)


def lying(hosts_path: bytes, host: str, trusted: Collection[int]) -> Iterator[tuple[bytes, int, str]]:
    """Each file in ``host``'s folders of hooks: its path below them, its mode, whose it is (see ``owner_of``)."""
    top = folder_of(hosts_path, host)
    for folder in map(os.fsencode, HOOK_FOLDERS):
        place = os.path.join(top, folder)
        if not os.path.isdir(place):
            continue
        above = [os.stat(one) for one in (hosts_path, os.path.dirname(top), top, place)]
        for item in os.scandir(place):
            status = item.stat()
            if stat.S_ISREG(status.st_mode):
                mode = stat.S_IMODE(status.st_mode)
                yield os.path.join(folder, item.name), mode, owner_of(*above, status, trusted=trusted)


def owner_of(*statuses: os.stat_result, trusted: Collection[int]) -> str:
    """Whose a file is, by its own status and those of the folders above it: "root", or what is wrong.

    ``trusted`` are the users (numbers) that count as root.
    """
    for status in statuses:
        if status.st_uid not in trusted:
            return f"user {status.st_uid}'s, or in a folder of theirs"
        if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0):
            return "open to others, who may write to it or to its folder"
    return ROOT
