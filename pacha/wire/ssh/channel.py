"""One command on the other side: its input, its output, its end."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from pacha.errors import UnreachableError
from pacha.text import one_line
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.library import paramiko

_PIECE = 64 * 1024
_STDERR_KEPT = 64 * 1024
_PASSED_OVER = 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_BY_HAND = "Log in by hand with ssh to see what answers there."
_LARGEST_READ = 1 << 30  #: bytes: no revision that Pacha makes comes near it


@dataclass(frozen=True, slots=True)
class Result:
    """How a remote command ended: its exit status (-1: by a signal), and what it wrote (bytes)."""

    status: int
    stdout: bytes
    stderr: bytes


class Carrier(Protocol):
    """The connection that a stream is part of."""

    endpoint: Endpoint
    transport: paramiko.Transport

    def lost(self, why: str) -> UnreachableError:
        """The error for a line that is gone."""


class Stream:
    """A running remote command: its input, output and errors.

    ``stdin``, ``stdout`` and ``stderr`` are file objects such as Mercurial's peers want them
    (``stderr`` has a descriptor and is always at its end: what the command complains is kept apart).
    """

    def __init__(
        self, connection: Carrier, channel: paramiko.Channel, idle: float, release: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._idle = idle
        self._release: Callable[[], None] | None = release
        self._expired: float | None = None
        self.silent = False  #: it was given up, because it neither said nor read anything: it is not waited for again
        self._errors = bytearray()
        self._drain = threading.Thread(target=self._keep_errors, daemon=True)
        self._drain.start()
        self._stderr: BinaryIO | None = None
        self.stdin = _Stdin(self)
        self.stdout = _Output(_Stdout(self), 256 * 1024)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stderr(self) -> BinaryIO:
        """The read end of a pipe that is at its end."""
        if self._stderr is None:
            reader, writer = os.pipe()
            os.close(writer)
            self._stderr = os.fdopen(reader, "rb", buffering=0)
        return self._stderr

    @property
    def complaints(self) -> bytes:
        """The first 64 KiB of what the command has written to stderr so far."""
        return bytes(self._errors)

    def read(self, n: int) -> bytes:
        """Up to ``n`` bytes of output, at least one; ``b''`` at its end. Raises UnreachableError."""
        return self.stdout.read1(n)

    def write(self, data: bytes) -> int:
        """Send all of ``data``; returns its length. BrokenPipeError when the command reads no more."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._send(rest) :]
        return len(data)

    def close_write(self) -> None:
        """End the command's input, unless the command has ended itself.

        Paramiko may send this after it has closed the channel in another thread, because the command had
        ended at that moment; OpenSSH then hangs up ("ieof packet referred to nonexistent channel"). So it is
        for commands that wait for the end of their input, and for no others.
        """
        if self._channel.eof_received:
            return
        try:
            self._channel.shutdown_write()
        except (paramiko.SSHException, EOFError, OSError):
            pass  # gone already: reading tells

    def finish(self, *, end_input: bool = True) -> Result:
        """End its input (unless it ends by itself), pass over the rest of its output, and wait for its exit status.

        ``stderr`` of the result holds at most the first 64 KiB. A command that still has more than
        1 MiB to say is stopped, with the status of one that was killed (-1). Raises UnreachableError
        when it does not end, or the line is lost.
        """
        if end_input:
            self.close_write()
        with alarm(self._idle, lambda: self.expire(self._idle)):
            ended = self._pass_over(_PASSED_OVER)
            if ended:
                self._channel.status_event.wait()
        if self._expired is not None:
            raise self._trouble("")
        status = self._channel.exit_status if ended else -1
        if ended and status < 0 and not self._channel.eof_received:
            raise self._trouble("the connection ended")
        self.close()
        self._drain.join(self._idle)
        return Result(status, b"", bytes(self._errors))

    def _pass_over(self, most: int) -> bool:
        """Whether the output's end comes within so many bytes."""
        while most > 0:
            data = self.receive(_PIECE)
            if not data:
                return True
            most -= len(data)
        return False

    def close(self) -> None:
        """Let go of the command, whatever it does."""
        release, self._release = self._release, None
        if release is None:
            return
        end(self._channel)
        if self._stderr is not None:
            self._stderr.close()
        release()

    def expire(self, seconds: float) -> None:
        """Its time of so many seconds is over: whoever waits for it gets an UnreachableError."""
        self._expired = seconds
        end(self._channel)

    def receive(self, n: int) -> bytes:
        """Like ``read``, past the buffer of ``stdout``."""
        try:
            data = self._channel.recv(n)
        except TimeoutError as error:
            self.silent = True
            raise self._trouble(f"the command said nothing for {self._idle:g} seconds") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._trouble(one_line(str(error))) from error
        if not data and not self._channel.eof_received and self._channel.exit_status < 0:
            raise self._trouble("the connection ended")
        return data

    def _send(self, data: memoryview) -> int:
        try:
            sent = self._channel.send(data[:_PIECE].tobytes())
        except TimeoutError as error:
            self.silent = True
            raise self._trouble(f"the command read nothing for {self._idle:g} seconds") from error
        except (paramiko.SSHException, EOFError, OSError):
            sent = 0
        if sent == 0:
            if self._connection.transport.is_active() and self._expired is None:
                raise BrokenPipeError("the remote command reads no more")
            raise self._trouble("the connection ended")
        return sent

    def _trouble(self, why: str) -> UnreachableError:
        if self._expired is not None:
            why = f"no end of the command within {self._expired:g} seconds"
            return UnreachableError(
                f"{self._connection.endpoint.host} took too long.",
                why,
                "Look whether it is overloaded, then run this again.",
                code="command-timeout",
            )
        return self._connection.lost(why)

    def _keep_errors(self) -> None:
        """Read the command's errors as they come, so that it never waits for us; keep the first of them."""
        while True:
            try:
                data = self._channel.recv_stderr(_PIECE)
            except TimeoutError:
                continue
            except (paramiko.SSHException, EOFError, OSError):
                return
            if not data:
                return
            self._errors += data[: _STDERR_KEPT - len(self._errors)]


class _Stdout(io.RawIOBase):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.receive(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Output(io.BufferedReader):
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


class _Stdin:
    """What a command reads, as an unbuffered file."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ahead = b""
        self.closed = False

    def say_ahead(self, data: bytes) -> None:
        """Send what whoever writes here will write first of all; it is not sent again then."""
        try:
            self._stream.write(data)
        except BrokenPipeError:
            pass  # it has ended: reading tells
        self._ahead = data

    def write(self, data: bytes) -> int:
        """Send all of ``data`` and say how much that was."""
        if not self._ahead:
            return self._stream.write(data)
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


def end(channel: paramiko.Channel) -> None:
    """Close a channel, whatever has become of its line."""
    try:
        channel.close()
    except (paramiko.SSHException, EOFError, OSError):
        pass  # the line is gone, and the channel with it


@contextmanager
def alarm(seconds: float, ring: Callable[[], object]) -> Iterator[None]:
    """Call ``ring``, in another thread, when the block still runs after so many seconds."""
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
