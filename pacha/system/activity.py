"""What this process is doing now and how far it is, for a progress display."""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_COUNT = struct.Struct("=Q")


@dataclass(slots=True, kw_only=True)
class Activity:
    """A long task: ``what`` it is, how many of its ``total`` parts (0: unknown) are ``done``, their ``size`` in bytes.

    Instead of ``done``, the function ``counter`` may return the number, or ``shared`` may hold it: memory in which
    child processes count. A hostile child can write nothing but a number there.
    """

    what: str = ""
    total: int = 0
    done: int = 0
    size: int = 0
    began: float = field(default_factory=time.monotonic)
    counter: Callable[[], int] | None = None
    shared: mmap.mmap | None = None

    @property
    def counted(self) -> int:
        """How many parts are done."""
        if self.shared:
            return int(_COUNT.unpack_from(self.shared)[0])
        return self.counter() if self.counter else self.done

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.size / max(time.monotonic() - self.began, 0.001)


_now = Activity()


def begin(what: str, total: int = 0, counter: Callable[[], int] | None = None, *, shared: bool = False) -> None:
    """Begin the activity ``what`` (safe to print) with ``total`` parts; it replaces the current one.

    ``counter`` returns how many parts are done, for work that cannot call ``advance`` for each. ``shared``: child
    processes call ``advance`` too.
    """
    global _now
    _now = Activity(what=what, total=total, counter=counter, shared=mmap.mmap(-1, _COUNT.size) if shared else None)


def advance(done: int = 0, size: int = 0) -> None:
    """Add to the parts that are done, and to the bytes."""
    _now.done += done
    _now.size += size
    if _now.shared:
        _COUNT.pack_into(_now.shared, 0, _now.done)


def sent(size: int) -> None:
    """Add bytes that were sent, unless the activity has parts, which add their own bytes."""
    if not _now.total:
        advance(size=size)


def current() -> Activity:
    """Return the current activity; its ``what`` is "" before the first one."""
    return _now
