"""The mounts of this machine (proc_pid_mountinfo(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount point: its absolute path and the type of the file system there, both bytes."""

    path: bytes
    kind: bytes


def mounts() -> Iterator[Mount]:
    """Yield every mount that this process sees. Raises OSError where /proc is missing."""
    with open("/proc/self/mountinfo", "rb") as lines:
        for line in lines:
            before, _, after = line.partition(b" - ")
            path = before.split(b" ")[4].decode("unicode_escape").encode("latin-1")
            yield Mount(path, after.split(b" ", 1)[0])
