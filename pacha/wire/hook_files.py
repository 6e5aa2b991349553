"""The hooks that a master has for a host: where they are, which files count, who owns them."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pacha.wire.scp import Limits

#: Below ``<hosts_path>/.hooks/<host>``: what runs before and after a rebuild.
HOOK_FOLDERS = ("pacha_pre", "pacha_post")
ON_PUSH = b".hooks/on-push.d"  #: below ``hosts_path``: what runs there when a host has pushed
LIMITS = Limits(total_bytes=64 << 20, files=1000, depth=3)
ROOT = "root"


@dataclass(frozen=True, slots=True)
class Hook:
    """A fetched hook: its folder, its name (bytes), its mode and its owner on the master.

    ``owner`` is "root" (and nobody else can write to it), "" where it is unknown, else what is wrong.
    """

    folder: str
    name: bytes
    mode: int
    owner: str = ""


def folder_of(hosts_path: bytes, host: str) -> bytes:
    """The folder of the hooks of ``host``."""
    return os.path.join(hosts_path, b".hooks", os.fsencode(host))


def runs_on_push(hosts_path: bytes) -> bool:
    """Whether there is a folder of programs that run when a host has pushed."""
    return os.path.isdir(os.path.join(hosts_path, ON_PUSH))


def is_hook_file(path: bytes, is_directory: bool) -> bool:
    """Whether ``path`` below a host's folder of hooks ('/' between) is one of the two folders or a file in one."""
    top, _, below = path.partition(b"/")
    return os.fsdecode(top) in HOOK_FOLDERS and bool(below) != is_directory and b"/" not in below


def hook_of(path: bytes, mode: int, owner: str = "") -> Hook:
    """The hook that was copied to ``path``, relative to the folder of hooks."""
    folder, _, name = path.partition(b"/")
    return Hook(os.fsdecode(folder), name, mode, owner)


def entries(hosts_path: bytes, host: str, trusted: Collection[int]) -> Iterator[tuple[bytes, int, str]]:
    """Yield relative path, mode and owner (see ``owner_of``) of each file in ``host``'s folders of hooks."""
    top = folder_of(hosts_path, host)
    for folder in map(os.fsencode, HOOK_FOLDERS):
        directory = os.path.join(top, folder)
        if not os.path.isdir(directory):
            continue
        above = [os.stat(folder_above) for folder_above in (hosts_path, os.path.dirname(top), top, directory)]
        for item in os.scandir(directory):
            status = item.stat()
            if stat.S_ISREG(status.st_mode):
                mode = stat.S_IMODE(status.st_mode)
                yield os.path.join(folder, item.name), mode, owner_of(*above, status, trusted=trusted)


def owner_of(*statuses: os.stat_result, trusted: Collection[int]) -> str:
    """The owner of a file by its own status and those of the folders above it: "root", or what is wrong.

    ``trusted`` are the users (numbers) that count as root.
    """
    for status in statuses:
        if status.st_uid not in trusted:
            return f"user {status.st_uid}'s, or in a folder of theirs"
        if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0):
            return "open to others, who may write to it or to its folder"
    return ROOT
