"""Limit this process's memory, so that hostile input fails instead of the machine."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.errors import DamagedError

_GROUP = Path("/sys/fs/cgroup/memory.max")  # cgroups(7), version 2; "max" where there is none


@contextmanager
def limit_memory(most: int | None = None) -> Iterator[None]:
    """Give what runs inside ``most`` bytes more than this process has (None: what the machine has free).

    Raises DamagedError where that does not suffice.
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _kilobytes("/proc/self/status", "VmData") + (_free() if most is None else most)
    allowed = min((one for one in (limit, *before) if one != resource.RLIM_INFINITY), default=limit)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, before[1]))
    try:
        yield
    except MemoryError:
        raise DamagedError(
            "There is not enough memory for what the master has.",
            f"it takes more than {allowed >> 20} MiB",
            "Nothing was changed. Look at the master with 'hg verify'; if it is whole, rebuild where there is more.",
            code="memory-exhausted",
        ) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _free() -> int:
    free = _kilobytes("/proc/meminfo", "MemAvailable")
    try:
        return min(free, int(_GROUP.read_text()))
    except (OSError, ValueError):
        return free


def _kilobytes(file: str, name: str) -> int:
    """A line of proc(5) such as ``VmData: 1234 kB``, in bytes."""
    found = re.search(rf"^{name}:\s*([0-9]+) kB", Path(file).read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 1 << 40
