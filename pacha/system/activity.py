"""What this process is doing just now, and how far it is: so that whoever sits at a terminal can be told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Activity:
    """One thing that takes long: what it is, how many of ``total`` (0: unknown) are ``done``, and their bytes."""

    what: str = ""
    total: int = 0
    done: int = 0
    size: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Bytes in a second."""
        return self.size / max(time.monotonic() - self.began, 0.001)


_now = Activity()


def begin(what: str, total: int = 0) -> None:
    """Let it be known that ``what`` (safe to print) begins, with ``total`` parts; it ends what was done before."""
    global _now
    _now = Activity(what, total)


def advance(done: int = 0, size: int = 0) -> None:
    """Count parts that are done, and bytes."""
    _now.done += done
    _now.size += size


def current() -> Activity:
    """What is being done; its ``what`` is "" before the first one."""
    return _now
