"""The limit on open descriptors (setrlimit(2)) of this process, and of the programs that it starts."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

#: The soft limit that this process was started with; None: it still has it.
_given: int | None = None


def allow_all() -> None:
    """Raise the limit as far as the system allows: walking a deep tree holds a descriptor for each level."""
    global _given
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    _given = soft if _given is None else _given
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def as_given() -> Iterator[None]:
    """In the body, which starts another program, set the limit that this process was started with.

    A higher one breaks programs that use select(2), and slows those that close every possible descriptor.
    """
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] if _given is None else _given, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
