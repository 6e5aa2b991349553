"""For whom the threads of this process are waiting, for a progress display."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_waits: dict[int, tuple[str, float]] = {}  #: by wait: whom it is for, and since when (time.monotonic)


@contextmanager
def waiting(whom: str, behind: float = 0.0) -> Iterator[None]:
    """Note that this thread waits for ``whom`` in the body, and has waited ``behind`` seconds before it."""
    wait = object()
    _waits[id(wait)] = whom, time.monotonic() - behind
    try:
        yield
    finally:
        del _waits[id(wait)]


def longest_wait() -> tuple[str, float]:
    """Return for whom a thread has been waiting longest, and for how many seconds; "" and 0 where none is waiting."""
    waits = list(_waits.values())
    whom, since = min(waits, key=lambda wait: wait[1], default=("", 0.0))
    return whom, time.monotonic() - since if whom else 0.0
