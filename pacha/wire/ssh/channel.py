"""A remote command: its input, its output, its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Protocol, TypeVar

from pacha.errors import UnreachableError
from pacha.system import activity, background
from pacha.system.waits import waiting
from pacha.text import one_line
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.files import Input, Output, RawOutput, closed_pipe
from pacha.wire.ssh.pace import Pace

_Moved = TypeVar("_Moved", bytes, int)
_PIECE = 64 * 1024
_STDERR_KEPT = 64 * 1024
_PASSED_OVER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """How a remote command ended: its exit status (-1: by a signal), and what it wrote (bytes)."""

    status: int
    stdout: bytes
    stderr: bytes


class Channel(Protocol):
    """What carries a command: paramiko's channel, or one of the system's ssh (``multiplexed_channel``)."""

    exit_status: int  #: -1 until there is one
    status_event: threading.Event  #: set with the exit status, or when there will be none

    @property
    def eof_received(self) -> int:
        """Whether its output has ended, and not only the connection."""

    def settimeout(self, timeout: float) -> None: ...
    def send(self, data: bytes, /) -> int: ...
    def recv(self, n: int, /) -> bytes: ...
    def recv_stderr(self, n: int, /) -> bytes: ...
    def shutdown_write(self) -> None: ...
    def close(self) -> None: ...


class Carrier(Protocol):
    """The connection that a stream is part of."""

    endpoint: Endpoint
    moved: int  #: bytes that commands have sent and received so far
    failures: tuple[type[Exception], ...]  #: what its channels raise when it is lost

    def is_active(self) -> bool:
        """Whether the connection is still there."""

    def queued(self, idle: float) -> int:
        """Our bytes that are still on their way; if unknown, an estimate from the ``idle`` seconds of a stream."""

    def lost(self, why: str) -> UnreachableError:
        """The error for a lost connection."""


class Stream:
    """A running remote command: its input, output and errors.

    ``stdin``, ``stdout`` and ``stderr`` are file objects as Mercurial's peers need them. ``stderr`` has a descriptor
    and is always at its end; what the command writes there is in ``complaints``.
    """

    def __init__(self, connection: Carrier, channel: Channel, idle: float, release: Callable[[], None]) -> None:
        self._connection = connection
        self._channel = channel
        self._idle = idle
        self._pace = Pace(idle, partial(connection.queued, idle))
        self._release: Callable[[], None] | None = release
        self._expired: float | None = None
        self.silent = False  #: it was given up because it was too slow; do not wait for it again
        self._errors = bytearray()
        self._drain = threading.Thread(target=self._keep_errors, daemon=True)
        background.begin(self._drain)
        self._stderr: BinaryIO | None = None
        self.stdin = Input(self)
        self.stdout = Output(RawOutput(self), 256 * 1024)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stderr(self) -> BinaryIO:
        """The read end of a closed pipe."""
        if self._stderr is None:
            self._stderr = closed_pipe()
        return self._stderr

    @property
    def complaints(self) -> bytes:
        """What the command has written to stderr so far, at most the first 64 KiB."""
        return bytes(self._errors)

    def read(self, n: int) -> bytes:
        """Up to ``n`` bytes of output, at least one; ``b''`` at its end. Raises UnreachableError."""
        return self.stdout.read1(n)

    def ask(self, data: bytes) -> int:
        """Send all of ``data``, as ``write``, and expect an answer."""
        self._pace.asked()
        return self.write(data)

    def write(self, data: bytes) -> int:
        """Send all of ``data``; returns its length. Raises BrokenPipeError when the command reads no more."""
        rest = memoryview(data)
        while rest:
            sent = self._send(rest)
            activity.sent(sent)
            rest = rest[sent:]
        return len(data)

    def close_write(self) -> None:
        """End the command's input, unless the command has ended itself."""
        if self._channel.eof_received:
            return
        try:
            self._channel.shutdown_write()
        except self._connection.failures:
            pass  # closed already: reading tells

    def finish(self, *, end_input: bool = True) -> Result:
        """End its input (with ``end_input``), skip the rest of its output, and wait for its exit status.

        ``stderr`` of the result has at most the first 64 KiB. A command with more than 1 MiB of output left is stopped,
        with the status of a killed one (-1). Raises UnreachableError if it does not end, or the connection is lost.
        """
        if end_input:
            self.close_write()
        seconds = self._pace.to_end
        self._channel.settimeout(2 * seconds)  # the alarm comes first, and tells which limit it was
        with alarm(seconds, lambda: self.expire(seconds)), waiting(self._connection.endpoint.label):
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
        """Skip up to so many bytes of output; returns whether it has ended."""
        while most > 0:
            data = self._taken(lambda: self._channel.recv(_PIECE))
            if not data:
                return True
            most -= len(data)
        return False

    def close(self) -> None:
        """Close the channel, whatever the command does."""
        release, self._release = self._release, None
        if release is None:
            return
        end(self._channel, self._connection.failures)
        if self._stderr is not None:
            self._stderr.close()
        release()

    def expire(self, seconds: float) -> None:
        """End the command after so many seconds; whoever waits for it gets an UnreachableError."""
        self._expired = seconds
        end(self._channel, self._connection.failures)

    def receive(self, n: int) -> bytes:
        """Like ``read``, but without the buffer of ``stdout``."""
        self._pace.begin()
        return self._taken(lambda: self._patiently(lambda: self._channel.recv(n), len))

    def _taken(self, take: Callable[[], bytes]) -> bytes:
        """The output that ``take`` reads, b"" at its end. Raises UnreachableError."""
        try:
            data = take()
        except TimeoutError as error:
            raise self._too_slow("said") from error
        except self._connection.failures as error:
            raise self._trouble(one_line(str(error))) from error
        if not data and not self._channel.eof_received and self._channel.exit_status < 0:
            raise self._trouble("the connection ended")
        return data

    def _send(self, data: memoryview) -> int:
        piece = data[:_PIECE].tobytes()
        try:
            sent = self._patiently(lambda: self._channel.send(piece), int)
        except TimeoutError as error:
            raise self._too_slow("read") from error
        except self._connection.failures:
            sent = 0
        self._pace.sent(sent)
        if sent == 0:
            if self._connection.is_active() and self._expired is None:
                raise BrokenPipeError("the remote command reads no more")
            raise self._trouble("the connection ended")
        return sent

    def _patiently(self, work: Callable[[], _Moved], size: Callable[[_Moved], int]) -> _Moved:
        """The result of ``work``, which moved ``size(result)`` bytes. Raises TimeoutError when it is too slow."""
        while (seconds := self._pace.left) > 0:
            self._channel.settimeout(seconds)
            began, before = time.monotonic(), self._connection.moved
            try:
                with waiting(self._connection.endpoint.label, self._pace.behind):
                    moved = work()
                self._connection.moved += size(moved)
                self._pace.moved(size(moved))
                return moved
            except TimeoutError:
                continue
            finally:
                self._pace.waited(time.monotonic() - began, self._connection.moved - before)
        raise TimeoutError

    def _too_slow(self, did: str) -> UnreachableError:
        self.silent = True
        much = "hardly anything" if self._pace.has_moved else "nothing"
        return self._trouble(f"the command {did} {much} for {round(self._pace.allowed, 1):g} seconds")

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
        """Read stderr as it comes, so that the command never waits for us, and keep the beginning."""
        while True:
            try:
                data = self._channel.recv_stderr(_PIECE)
            except TimeoutError:
                continue
            except self._connection.failures:
                return
            if not data:
                return
            self._errors += data[: _STDERR_KEPT - len(self._errors)]


def end(channel: Channel, failures: tuple[type[Exception], ...]) -> None:
    """Close a channel, even if its connection is lost, which raises one of ``failures``."""
    try:
        channel.close()
    except failures:
        pass  # the connection is lost, and the channel with it


@contextmanager
def alarm(seconds: float, ring: Callable[[], object]) -> Iterator[None]:
    """Call ``ring`` in another thread if the body still runs after so many seconds."""
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    background.begin(timer)
    try:
        yield
    finally:
        timer.cancel()
