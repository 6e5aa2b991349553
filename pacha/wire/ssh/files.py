"""The input and the output of a command as file objects, as Mercurial's peers need them."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO, Protocol

from pacha.errors import UnreachableError

_LONGEST_LINE = 1024 * 1024
_LARGEST_READ = 1 << 30  #: bytes: far more than a revision that Pacha makes
_BY_HAND = "Log in by hand with ssh to see what answers there."


def closed_pipe() -> BinaryIO:
    """The read end of a closed pipe, for a reader whose data goes elsewhere."""
    reader, writer = os.pipe()
    os.close(writer)
    return os.fdopen(reader, "rb", buffering=0)


class Carried(Protocol):
    """The stream behind the files."""

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
    """A command's output with limited reads and lines, for a reader that trusts the lengths it is told."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line with its end; without a valid ``size`` up to the longest allowed."""
        line = super().readline(_LONGEST_LINE if size is None or size < 0 else min(size, _LONGEST_LINE))
        if len(line) >= _LONGEST_LINE:
            raise UnreachableError(
                "The master does not answer as one.", "it sent a line without an end", _BY_HAND, code="not-a-master"
            )
        return line

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, fewer at the end. Refuses a negative size, which Python's files take for everything."""
        if size is None or not 0 <= size <= _LARGEST_READ:
            raise UnreachableError(
                "The master does not answer as one.",
                f"it announced {size} bytes at once",
                _BY_HAND,
                code="not-a-master",
            )
        return super().read(size)


class Input:
    """A command's input, unbuffered."""

    def __init__(self, stream: Carried) -> None:
        self._stream = stream
        self._ahead = b""
        self.closed = False

    def say_ahead(self, data: bytes) -> None:
        """Send now what will be written first; that write then sends nothing."""
        try:
            self._stream.ask(data)
        except BrokenPipeError:
            pass  # the command has ended: reading tells
        self._ahead = data

    def write(self, data: bytes) -> int:
        """Send all of ``data``; returns its length."""
        if not self._ahead:
            return self._stream.ask(data)
        begun, self._ahead = self._ahead[: len(data)], self._ahead[len(data) :]
        if begun != data:
            raise RuntimeError("something else was said ahead")  # a fault in Pacha
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """End the command's input."""
        self.closed = True
        self._stream.close_write()
