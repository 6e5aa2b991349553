"""A line that is cut after so many bytes."""

from __future__ import annotations

from tests.support.sshd import Relay


class Cutter(Relay):
    """A line that breaks after ``limit`` bytes, in whichever direction; silently, if it is to ``stall_it``."""

    def __init__(self, target: tuple[str, int], limit: int, *, stall_it: bool) -> None:
        super().__init__(target)
        self._limit, self._stall_it = limit, stall_it

    def _count(self, size: int, from_server: bool) -> None:
        super()._count(size, from_server)
        if self.up + self.down >= self._limit:
            (self.stall if self._stall_it else self.cut)()
