"""How many descriptors this process may have open, and a program that it starts (setrlimit(2))."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

#: The soft limit that this process was started with; None: it still has it.
_given: int | None = None


def allow_all() -> None:
    """Allow as many as the system lets us: one is held a level while a deep tree is walked."""
    global _given
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    _given = soft if _given is None else _given
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def as_given() -> Iterator[None]:
    """While the body starts somebody else's program, have the limit that this process was started with.

    A program that waits with select(2), or that closes every descriptor that there could be, fails or crawls with more.
    """
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] if _given is None else _given, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
