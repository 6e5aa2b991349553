"""Who is waited for just now, anywhere in this process: so that whoever sits at a terminal can be told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

_waits: dict[int, tuple[str, float]] = {}  #: of each wait whom it is for, and since when (time.monotonic)


@contextmanager
def waiting(whom: str, behind: float = 0.0) -> Iterator[None]:
    """Let it be known that ``whom`` is waited for, ``behind`` so many seconds already."""
    wait = object()
    _waits[id(wait)] = whom, time.monotonic() - behind
    try:
        yield
    finally:
        del _waits[id(wait)]


def longest_wait() -> tuple[str, float]:
    """Who is waited for longest, and for how many seconds; "" where nobody is."""
    waits = list(_waits.values())
    whom, since = min(waits, key=lambda wait: wait[1], default=("", 0.0))
    return whom, time.monotonic() - since if whom else 0.0
