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
    """Work that takes long: what it is, how many of its parts (``total``; 0: unknown) are ``done``, and their bytes.

    ``counter`` returns how many are done, in place of ``done``. So does ``shared``, memory in which child processes
    count: a hostile one can write nothing but a number there.
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
        """How many are done."""
        if self.shared:
            return int(_COUNT.unpack_from(self.shared)[0])
        return self.counter() if self.counter else self.done

    @property
    def rate(self) -> float:
        """Bytes in a second."""
        return self.size / max(time.monotonic() - self.began, 0.001)


_now = Activity()


def begin(what: str, total: int = 0, counter: Callable[[], int] | None = None, *, shared: bool = False) -> None:
    """Begin the activity ``what`` (safe to print) with ``total`` parts, in place of the last one.

    ``counter`` returns how many parts are done, where counting each of them would take too long. ``shared``: child
    processes call ``advance`` as well.
    """
    global _now
    _now = Activity(what=what, total=total, counter=counter, shared=mmap.mmap(-1, _COUNT.size) if shared else None)


def advance(done: int = 0, size: int = 0) -> None:
    """Count parts that are done, and bytes."""
    _now.done += done
    _now.size += size
    if _now.shared:
        _COUNT.pack_into(_now.shared, 0, _now.done)


def sent(size: int) -> None:
    """Count bytes that were sent, unless the activity has parts: those count their own bytes."""
    if not _now.total:
        advance(size=size)


def current() -> Activity:
    """The activity of now; its ``what`` is "" before the first one."""
    return _now
