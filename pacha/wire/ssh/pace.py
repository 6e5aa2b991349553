"""How long to wait for an answer: limits a silence, and an answer that comes byte by byte.

A connection may be slow, but not for ever: a conversation is measured by the seconds that it is behind a least speed.
"""

from __future__ import annotations

from collections.abc import Callable

_LEAST = 512  #: bytes a second of all conversations on a connection: less than a tenth of a line of 56 kbit/s
SLOWEST_LINE = 4096  #: bytes a second at which such a line empties its queue
_DIGESTED = 1 << 20  #: bytes a second that a slow master processes before it answers

LOOK_ROUND = 5.0  #: seconds after which the queue is looked at again


class Pace:
    """How many seconds a conversation is behind the least speed; ``idle`` of them are allowed.

    ``queued`` returns how many of our bytes are still on their way to the other side.
    """

    def __init__(self, idle: float, queued: Callable[[], int]) -> None:
        self._idle = idle
        self._queued = queued
        self.behind = 0.0  #: seconds
        self._sent = 0
        self._digesting = 0.0
        self._is_new = False
        self.has_moved = False  #: this conversation received or sent something since the last question

    def asked(self) -> None:
        """A new question was sent, whose answer may take its time."""
        self._is_new = True

    def sent(self, size: int) -> None:
        """Count bytes that were sent."""
        self._sent += size

    def moved(self, size: int) -> None:
        """Count bytes of this conversation."""
        self.has_moved = self.has_moved or size > 0

    def begin(self) -> None:
        """Start to wait for an answer to what was sent."""
        if self._is_new:
            self._is_new = self.has_moved = False
            self.behind, self._digesting, self._sent = 0.0, self._sent / _DIGESTED, 0

    def waited(self, seconds: float, moved: int) -> None:
        """Count the time waited, and the bytes that the connection moved in it, of whatever conversation."""
        self.behind = max(0.0, self.behind + seconds - moved / _LEAST)

    @property
    def left(self) -> float:
        """The seconds after which to look again; 0 or less if it is too far behind."""
        seconds = self._idle + self._digesting - self.behind
        return LOOK_ROUND if seconds > LOOK_ROUND else min(self.allowed - self.behind, LOOK_ROUND)

    @property
    def allowed(self) -> float:
        """The seconds that it may be behind now."""
        return self._idle + self._digesting + self._queued() / SLOWEST_LINE

    @property
    def to_end(self) -> float:
        """The seconds in which a command has to end after it was sent everything."""
        return self._idle + self._sent / _DIGESTED + self._queued() / SLOWEST_LINE
