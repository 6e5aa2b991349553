"""Run commands over a connection, whoever made it: paramiko (``connection``) or the system's ssh (``openssh``)."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from pacha.errors import PachaError, UnreachableError
from pacha.text import one_line
from pacha.wire.shell import command_line
from pacha.wire.ssh.channel import Result, Stream, alarm
from pacha.wire.ssh.endpoint import Endpoint

#: sshd allows ten sessions on a connection (MaxSessions of sshd_config(5)); stay well below.
MAX_STREAMS = 7
ASKED_AGAIN = (0.02, 0.1, 0.5)  #: seconds to wait before a refused channel is requested again
OUTPUT_MAX = 64 * 1024 * 1024  #: bytes of a command whose caller sets no limit

_Own = TypeVar("_Own", bound="Commands")


class Commands(ABC):
    """A connection to ``endpoint`` for many commands and streams at once. A context manager."""

    failures: tuple[type[Exception], ...]  #: what its channels raise when it is lost

    def __init__(self, endpoint: Endpoint, idle: float) -> None:
        self.endpoint = endpoint
        self.moved = 0  #: bytes that commands have sent and received so far
        self._idle = idle
        self._slots = threading.BoundedSemaphore(MAX_STREAMS)

    def __enter__(self: _Own) -> _Own:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connection, which ends its open streams."""

    @abstractmethod
    def _start(self, command: bytes, idle: float) -> Stream:
        """Start a line of the remote shell, as ``stream``."""

    def run(
        self,
        argv: Sequence[bytes | str],
        *,
        stdin: bytes | None = None,
        timeout: float = 120.0,
        limit: int = OUTPUT_MAX,
    ) -> Result:
        """Run a command and wait for its end, at most ``timeout`` seconds.

        ``stdin`` None: it reads no input, whose end is not sent (see ``Stream.close_write``). Raises UnreachableError
        for more than ``limit`` bytes of output, for no end in time, and for a lost connection.
        """
        return self._run(command_line(argv), stdin, timeout, limit)

    def write(self, path: bytes, data: bytes, *, timeout: float = 120.0) -> Result:
        """Replace the content of the remote file ``path`` by ``data`` (``cat > PATH``); as ``run``."""
        return self._run(b"cat > " + command_line([path]), data, timeout, OUTPUT_MAX)

    def _run(self, command: bytes, stdin: bytes | None, timeout: float, limit: int) -> Result:
        # The alarm comes first, so that the error tells which limit it was.
        with self._start(command, 2 * timeout) as stream, alarm(timeout, lambda: stream.expire(timeout)):
            try:
                if stdin is not None:
                    stream.write(stdin)
                    stream.close_write()
            except BrokenPipeError:
                pass  # it did not read all of its input: its exit status tells whether that is an error
            output = stream.stdout.read(limit + 1)
            if len(output) > limit:
                raise endless(self.endpoint, command, limit)
            ended = stream.finish()
        return Result(ended.status, output, ended.stderr)

    def stream(self, argv: Sequence[bytes | str], *, idle: float | None = None) -> Stream:
        """Start a command. Close the stream (``with``): at most MAX_STREAMS are open at a time.

        It ends with UnreachableError after ``idle`` seconds (None: the connection's) in which it reads or writes no
        byte, or when it is that far behind the least speed.
        """
        return self._start(command_line(argv), self._idle if idle is None else idle)

    @abstractmethod
    def open_ahead(self, count: int) -> None:
        """Prepare for the next commands, where that saves a round trip."""


def endless(endpoint: Endpoint, command: bytes, limit: int) -> UnreachableError:
    """The error for a ``command`` that writes more than ``limit`` bytes."""
    return UnreachableError(
        f"{endpoint.host} sends without end.",
        f"more than {limit} bytes from: {one_line(command)}",
        "Log in by hand with ssh to see what answers there.",
        code="endless-answer",
    )


def too_many() -> PachaError:
    """The error for a stream that no slot is left for."""
    why = f"{MAX_STREAMS} are open and none has ended"
    return PachaError("Too many streams at once.", why, "Run this again.", code="too-many-streams")


def refused(endpoint: Endpoint, why: str) -> UnreachableError:
    """The error for a server that refuses another session on the connection."""
    return UnreachableError(
        f"{endpoint.host} refuses to run so much at once.",
        f"on one connection Pacha has up to {MAX_STREAMS} sessions: {why}",
        "Let MaxSessions be 10 on the master, as it is by default: see sshd_config(5).",
        code="too-many-sessions",
    )


def lost(endpoint: Endpoint, why: str) -> UnreachableError:
    """The error for a lost connection."""
    return UnreachableError(
        f"The line to {endpoint.host} was lost.",
        why,
        "Run it again when the line is back.",
        code="connection-lost",
    )
