"""What this process is doing just now, and how far it is: so that whoever sits at a terminal can be told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Activity:
    """One thing that takes long: what it is, how many of ``total`` (0: unknown) are ``done``, and their bytes.

    ``counter`` returns how many are done, in place of ``done``.
    """

    what: str = ""
    total: int = 0
    done: int = 0
    size: int = 0
    began: float = field(default_factory=time.monotonic)
    counter: Callable[[], int] | None = None

    @property
    def counted(self) -> int:
        """How many are done."""
        return self.counter() if self.counter else self.done

    @property
    def rate(self) -> float:
        """Bytes in a second."""
        return self.size / max(time.monotonic() - self.began, 0.001)


_now = Activity()


def begin(what: str, total: int = 0, counter: Callable[[], int] | None = None) -> None:
    """Let it be known that ``what`` (safe to print) begins, with ``total`` parts; it ends what was done before.

    ``counter`` tells whoever asks how many are done: for what is too short to be counted one by one.
    """
    global _now
    _now = Activity(what, total, counter=counter)


def advance(done: int = 0, size: int = 0) -> None:
    """Count parts that are done, and bytes."""
    _now.done += done
    _now.size += size


def current() -> Activity:
    """What is being done; its ``what`` is "" before the first one."""
    return _now
