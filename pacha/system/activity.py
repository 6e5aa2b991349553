"""What this process is doing just now, and how far it is: so that whoever sits at a terminal can be told."""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_COUNT = struct.Struct("=Q")


@dataclass(slots=True)
class Activity:
    """One thing that takes long: what it is, how many of ``total`` (0: unknown) are ``done``, and their bytes.

    ``counter`` returns how many are done, in place of ``done``. So does ``shared``, memory into which child processes
    count: whatever one of another account writes there is a number.
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
    """Let it be known that ``what`` (safe to print) begins, with ``total`` parts; it ends what was done before.

    ``counter`` tells whoever asks how many are done: for what is too short to be counted one by one.
    ``shared``: ``advance`` counts here in child processes, too.
    """
    global _now
    _now = Activity(what, total, counter=counter, shared=mmap.mmap(-1, _COUNT.size) if shared else None)


def advance(done: int = 0, size: int = 0) -> None:
    """Count parts that are done, and bytes."""
    _now.done += done
    _now.size += size
    if _now.shared:
        _COUNT.pack_into(_now.shared, 0, _now.done)


def sent(size: int) -> None:
    """Count bytes that went out, unless the parts of what is done count their own: it is sent meanwhile."""
    if not _now.total:
        advance(size=size)


def current() -> Activity:
    """What is being done; its ``what`` is "" before the first one."""
    return _now
