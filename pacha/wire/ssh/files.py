"""The input and the output of a command as files, such as Mercurial's peers want them."""

from __future__ import annotations

import io
from typing import Any, Protocol

from pacha.errors import UnreachableError

_LONGEST_LINE = 1024 * 1024
_LARGEST_READ = 1 << 30  #: bytes: no revision that Pacha makes comes near it
_BY_HAND = "Log in by hand with ssh to see what answers there."


class Carried(Protocol):
    """The stream that they are of."""

    def receive(self, n: int) -> bytes: ...
    def ask(self, data: bytes) -> int: ...
    def close_write(self) -> None: ...


class RawOutput(io.RawIOBase):
    """A command's output, unbuffered."""

    def __init__(self, stream: Carried) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.receive(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Output(io.BufferedReader):
    """A command's output for a reader that believes the lengths it is told: neither they nor a line are endless."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line, with its end; every size that is none, too, means the longest that there is."""
        line = super().readline(_LONGEST_LINE if size is None or size < 0 else min(size, _LONGEST_LINE))
        if len(line) >= _LONGEST_LINE:
            raise UnreachableError(
                "The master does not answer as one.", "it sent a line without an end", _BY_HAND, code="not-a-master"
            )
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, less at the end. To a file of Python, a size below zero would mean: all that comes."""
        if size is None or not 0 <= size <= _LARGEST_READ:
            raise UnreachableError(
                "The master does not answer as one.",
                f"it announced {size} bytes at once",
                _BY_HAND,
                code="not-a-master",
            )
        return super().read(size)


class Input:
    """What a command reads, as an unbuffered file."""

    def __init__(self, stream: Carried) -> None:
        self._stream = stream
        self._ahead = b""
        self.closed = False

    def say_ahead(self, data: bytes) -> None:
        """Send what whoever writes here will write first of all; it is not sent again then."""
        try:
            self._stream.ask(data)
        except BrokenPipeError:
            pass  # it has ended: reading tells
        self._ahead = data

    def write(self, data: bytes) -> int:
        """Send all of ``data`` and say how much that was."""
        if not self._ahead:
            return self._stream.ask(data)
        said, self._ahead = self._ahead[: len(data)], self._ahead[len(data) :]
        if said != data:
            raise RuntimeError("something else was said ahead")  # a fault of ours: the conversation has one beginning
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """End the command's input."""
        self.closed = True
        self._stream.close_write()
