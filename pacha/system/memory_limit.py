"""Limit this process's memory, so that hostile input fails instead of the machine."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.errors import DamagedError

_GIGABYTE = 1 << 30
_GROUP = Path("/sys/fs/cgroup/memory.max")  # cgroups(7), version 2; "max": no limit


@contextmanager
def limit_memory(most: int | None = None) -> Iterator[None]:
    """Let the body use at most ``most`` bytes more than this process uses now. Raises DamagedError if it needs more.

    None: the free memory of this machine, but at most a gigabyte, or half of the machine's memory if that is more.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if most is None:
        most = min(_free(), max(_GIGABYTE, _read_size("/proc/meminfo", "MemTotal") // 2))
    allowed = _allowed(most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, before[1]))
    try:
        yield
    except MemoryError:
        raise DamagedError(
            "There is not enough memory for the history on the master.",
            f"it takes more than {allowed >> 20} MiB",
            "Nothing was changed. Is the master intact ('hg verify')? Then use a machine with more memory.",
            code="memory-exhausted",
        ) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def limit_memory_for_good(most: int) -> None:
    """Let this process use at most ``most`` bytes more than it uses now, until it ends. More is a MemoryError.

    A new child uses what its parent used at the fork, which may be more than ``most`` already.
    """
    allowed = _allowed(most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def serving() -> int:
    """Return how many bytes serving one client may take: a quarter of the memory, from 256 MiB to a gigabyte."""
    return min(_GIGABYTE, max(_GIGABYTE // 4, _read_size("/proc/meminfo", "MemTotal") // 4))


def in_use() -> int:
    """Return how many bytes of this process the limit counts: its writable memory."""
    return _read_size("/proc/self/status", "VmData")


def _allowed(most: int) -> int:
    """Return the limit for ``most`` bytes more than now, or a lower one that this process has already.

    RLIMIT_DATA counts writable memory, not the address space, much of which is only reserved (malloc(3) reserves 64 MiB
    for each thread).
    """
    limit = in_use() + most
    limits = (limit, *resource.getrlimit(resource.RLIMIT_DATA))
    return min(value for value in limits if value != resource.RLIM_INFINITY)


def _free() -> int:
    free = _read_size("/proc/meminfo", "MemAvailable")
    try:
        return min(free, int(_GROUP.read_text()))
    except (OSError, ValueError):
        return free


def _read_size(file: str, name: str) -> int:
    """Return, in bytes, the value in a line such as ``VmData: 1234 kB`` (proc(5)); 1 TiB if there is no such line."""
    match = re.search(rf"^{name}:\s*([0-9]+) kB", Path(file).read_text(), re.MULTILINE)
    return int(match[1]) * 1024 if match else 1 << 40
