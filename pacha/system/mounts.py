"""The mounts of this machine (proc_pid_mountinfo(5))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount point: its absolute path and the type of the file system there, both bytes.

    ``device`` (``major:minor``) says which file system, ``root`` which folder of it is seen.
    """

    path: bytes
    kind: bytes
    device: bytes = b""
    root: bytes = b"/"


def mounts() -> Iterator[Mount]:
    """Yield every mount that this process sees. Raises OSError where /proc is missing."""
    with open("/proc/self/mountinfo", "rb") as lines:
        for line in lines:
            before, _, after = line.partition(b" - ")
            fields = before.split(b" ")
            yield Mount(_unescaped(fields[4]), after.split(b" ", 1)[0], fields[2], _unescaped(fields[3]))


def _unescaped(path: bytes) -> bytes:
    return path.decode("unicode_escape").encode("latin-1")
