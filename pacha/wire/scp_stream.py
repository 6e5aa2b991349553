"""The sending side of scp as the receiver sees it: its bytes, and the answers that it waits for."""

from __future__ import annotations

from typing import Protocol

from pacha.errors import DamagedError
from pacha.text import escape

#: Answers that are sent ahead: far below a pipe buffer and an SSH window (64 KiB), so that writing never waits, but
#: enough for a second of small files at a round trip of 500 ms.
CREDIT = 4096

_READ = 256 * 1024
LOOK = "Nothing was changed. Look at the master."
_SHOWN_MAX = 200


class Duplex(Protocol):
    """A byte stream that raises PachaError and limits its own waits."""

    def read(self, n: int, /) -> bytes:
        """Up to ``n`` bytes, at least one; ``b''`` at the end."""

    def write(self, data: bytes, /) -> object:
        """Send all of ``data``; OSError when the other side no longer reads."""


class Sender:
    """Buffered reading from the sender (lines of at most ``line_max`` bytes), and the answers sent ahead."""

    def __init__(self, stream: Duplex, line_max: int) -> None:
        self._stream = stream
        self._line_max = line_max
        self._data = b""
        self._at = 0
        self._spent = 0
        self._send(CREDIT)

    def _send(self, count: int) -> None:
        try:
            self._stream.write(bytes(count))
        except OSError:
            pass  # a sender that finished reads no more; one that did not is noticed as an early end

    def spend(self) -> None:
        """Count an answer that the sender used up, and send more in time."""
        self._spent += 1
        if self._spent == CREDIT // 4:
            self._send(self._spent)
            self._spent = 0

    def _more(self) -> bool:
        fresh = self._stream.read(_READ)
        self._data = self._data[self._at :] + fresh
        self._at = 0
        return bool(fresh)

    def ended(self) -> bool:
        """Whether the stream has ended."""
        return self._at == len(self._data) and not self._more()

    def chunk(self, most: int) -> bytes:
        """Between one and ``most`` bytes."""
        if self.ended():
            raise _ended_early()
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def line(self) -> bytes:
        """A line without its newline."""
        while (end := self._data.find(b"\n", self._at, self._at + self._line_max)) < 0:
            if len(self._data) - self._at >= self._line_max:
                raise odd("a line that is too long", self._data[self._at :])
            if not self._more():
                raise _ended_early()
        text = self._data[self._at : end]
        self._at = end + 1
        return text


def _ended_early() -> DamagedError:
    return DamagedError(
        "The transfer ended early.",
        "the sender stopped in the middle",
        "Run this again.",
        code="transfer-ended-early",
    )


def odd(what: str, data: bytes) -> DamagedError:
    """The error for a sender that sent ``what``; ``data`` is what it sent."""
    return DamagedError(
        f"The master sent {what}.",
        f"it sent: {start_of(data)}",
        LOOK,
        subject=f"{what} {data!r}",
        code="scp-protocol-error",
    )


def start_of(data: bytes) -> str:
    """The start of ``data`` in one line, safe to print."""
    return escape(data[:_SHOWN_MAX]) + ("..." if len(data) > _SHOWN_MAX else "")
