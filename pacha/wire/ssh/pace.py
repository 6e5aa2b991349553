"""How long an answer is waited for: a silence has an end, and so has an answer that comes byte by byte.

A line may be slow, but not for ever: what a conversation falls behind the least speed is measured in seconds.
"""

from __future__ import annotations

from collections.abc import Callable

_LEAST = 512  #: bytes a second, of all conversations of a connection together: a tenth of a line of 56 kbit/s has more
_SLOWEST_LINE = 4096  #: bytes a second at which such a line takes what lies in its queue
_DIGESTED = 1 << 20  #: bytes a second at which a slow master takes in what it was sent, before it answers

LOOK_ROUND = 5.0  #: seconds after which it is looked at again what is on its way


class Pace:
    """How many seconds a conversation is behind the least speed; ``idle`` may be.

    ``queued`` tells how many bytes of ours are still on their way to the other side.
    """

    def __init__(self, idle: float, queued: Callable[[], int]) -> None:
        self._idle = idle
        self._queued = queued
        self.behind = 0.0  #: seconds
        self._sent = 0
        self._digesting = 0.0
        self._is_new = False
        self.has_moved = False  #: something came or was taken since the last question

    def asked(self) -> None:
        """The next that comes is the answer to something new, which may take its time."""
        self._is_new = True

    def sent(self, size: int) -> None:
        """So many bytes were taken."""
        self._sent += size

    def begin(self) -> None:
        """An answer is waited for, to all that was sent."""
        if self._is_new:
            self._is_new = self.has_moved = False
            self.behind, self._digesting, self._sent = 0.0, self._sent / _DIGESTED, 0

    def waited(self, seconds: float, moved: int) -> None:
        """So much time has gone by, and so many bytes over the connection."""
        self.behind = max(0.0, self.behind + seconds - moved / _LEAST)
        self.has_moved = self.has_moved or moved > 0

    @property
    def left(self) -> float:
        """The seconds after which to look again; none are left where it is too far behind."""
        left = self._idle + self._digesting - self.behind
        return LOOK_ROUND if left > LOOK_ROUND else min(self.allowed - self.behind, LOOK_ROUND)

    @property
    def allowed(self) -> float:
        """The seconds that it may be behind just now."""
        return self._idle + self._digesting + self._queued() / _SLOWEST_LINE

    @property
    def to_end(self) -> float:
        """The seconds in which a command has to end that was sent all that there is."""
        return self._idle + self._sent / _DIGESTED + self._queued() / _SLOWEST_LINE
