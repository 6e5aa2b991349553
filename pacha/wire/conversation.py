"""A conversation in the control channel: the bytes, both ways, that belong to one request.

The request has a number, ``{"do": NAME, "number": N, ...}``. Then each piece is a line, ``{"of": N, "bytes": SIZE}``,
and so many bytes; one without bytes ends what the client says. The answer, ``{"number": N, ...}``, ends the
conversation. Other requests may come between the pieces, also for another conversation: a master serves the one that
began last, until its end or until a piece for an earlier one comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Protocol

from pacha.wire.message import count
from pacha.wire.ssh.files import Input, Output, RawOutput, closed_pipe

PIECE = 256 * 1024  #: bytes of a piece that is sent
PIECE_MAX = 1 << 20  #: bytes of a piece that is taken
_MOST_UNREAD = 4 << 20  #: bytes that may come before anybody reads them


def pieces(number: int, data: bytes) -> bytes:
    """``data`` as pieces of the conversation ``number``; b"" is the end."""
    parts = [data[at : at + PIECE] for at in range(0, len(data), PIECE)] or [b""]
    return b"".join(b'{"of": %d, "bytes": %d}\n%b' % (number, len(part), part) for part in parts)


def piece_of(message: Mapping[str, Any]) -> tuple[int, int] | None:
    """The number of the conversation and the size of the piece that follows; None for no piece. Raises ValueError."""
    if "of" not in message:
        return None
    try:
        number, size = count(message["of"]), count(message.get("bytes"))
    except TypeError:
        raise ValueError("no piece") from None
    if size > PIECE_MAX:
        raise ValueError("a piece that is too large")
    return number, size


class ConversationCarrier(Protocol):
    """The client's end of the control channel."""

    def send(self, data: bytes, *, asks: bool = True) -> None:
        """Send all of ``data``; with ``asks`` an answer is expected."""

    def wait(self, is_ready: Callable[[], bool]) -> None:
        """Read what comes, for every conversation, until ``is_ready``. Raises UnreachableError, DamagedError."""


class Conversation:
    """The client's end of a conversation. ``stdin``, ``stdout`` and ``stderr`` are as those of ``wire.ssh.Stream``."""

    def __init__(self, channel: ConversationCarrier, number: int) -> None:
        self._channel = channel
        self._number = number
        self._came = deque[bytes]()
        self._unread = 0  #: bytes that came
        self._is_closed = False  #: nobody reads any more
        self._has_ended = False
        self._stderr: BinaryIO | None = None
        self.answer: Mapping[str, Any] | None = None  #: None until it comes
        self.stdin = Input(self)
        self.stdout = Output(RawOutput(self), PIECE)

    @property
    def stderr(self) -> BinaryIO:
        """The read end of a closed pipe."""
        if self._stderr is None:
            self._stderr = closed_pipe()
        return self._stderr

    def ask(self, data: bytes) -> int:
        """Send all of ``data``, and expect an answer."""
        self._channel.send(pieces(self._number, data))
        return len(data)

    def write(self, data: bytes) -> int:
        """Send all of ``data``."""
        self._channel.send(pieces(self._number, data), asks=False)
        return len(data)

    def close_write(self) -> None:
        """Say that nothing follows."""
        if not self._has_ended:
            self._has_ended = True
            self._channel.send(pieces(self._number, b""))

    def receive(self, n: int) -> bytes:
        """Up to ``n`` bytes of the master's, at least one; b"" at the end."""
        self._channel.wait(lambda: bool(self._came) or self.answer is not None)
        if not self._came:
            return b""
        data = self._came.popleft()
        if len(data) > n:
            self._came.appendleft(data[n:])
        self._unread -= len(data[:n])
        return data[:n]

    def deliver(self, data: bytes) -> None:
        """Take a piece that came. Raises ValueError if it is empty, or if too much is unread."""
        self._unread += len(data)
        if not data or self._unread > _MOST_UNREAD:
            raise ValueError("more than was asked for")
        if not self._is_closed:
            self._came.append(data)

    def close(self) -> None:
        """Ignore what still comes."""
        self._is_closed = True
        self._came.clear()
        if self._stderr is not None:
            self._stderr.close()
