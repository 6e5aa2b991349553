"""A command that the system's ssh carries: three sockets for its streams, one that tells its exit status."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pacha.system import background
from pacha.wire.ssh.multiplexer import answers, begin_session, converse, exit_status


class _End:
    """Our end of a pair of sockets. It is closed only when no thread uses it: the number may get another file."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._used = threading.Lock()

    @contextmanager
    def used(self) -> Iterator[socket.socket]:
        with self._used:
            yield self._sock

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        """Wake whoever uses it, and close it."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        with self._used:
            self._sock.close()


class MultiplexedChannel:
    """A ``channel.Channel`` over the ssh that listens at ``path``.

    ``path`` is a socket of ``multiplexer``. Raises NoSsh, SessionRefused, EOFError and OSError.
    """

    def __init__(self, path: str, command: bytes, seconds: float) -> None:
        self.exit_status = -1
        self.status_event = threading.Event()
        self.closed = False
        self.unanswered = 0  #: bytes sent since something was last received
        self._path = path
        self._is_lost = False
        self._timeout = seconds
        line = converse(path)
        pairs = [socket.socketpair() for _ in range(3)]
        self._stdin, self._stdout, self._stderr = (_End(own) for own, _ in pairs)
        self._line = _End(line)
        try:
            begin_session(line, command, [end for _, end in pairs], seconds)
            background.begin(threading.Thread(target=self._wait, daemon=True))
        except BaseException:
            self.close()
            raise
        finally:
            for _, end in pairs:
                end.close()

    @property
    def eof_received(self) -> int:
        """Whether it ended, and not the connection."""
        return self.status_event.is_set() and not self._is_lost

    def settimeout(self, timeout: float) -> None:
        """Let sending and receiving raise TimeoutError after so many seconds."""
        self._timeout = timeout

    def send(self, data: bytes, /) -> int:
        with self._stdin.used() as stream:
            stream.settimeout(self._timeout)
            sent = stream.send(data)
        self.unanswered += sent
        return sent

    def recv(self, n: int, /) -> bytes:
        """Up to ``n`` bytes; ``b""`` only if the command has ended, not if the connection is lost."""
        with self._stdout.used() as stream:
            stream.settimeout(self._timeout)
            data = stream.recv(n)
        self.unanswered = 0
        if not data and not self.closed and not self.status_event.wait(self._timeout):
            raise TimeoutError
        return data

    def recv_stderr(self, n: int, /) -> bytes:
        with self._stderr.used() as stream:
            return stream.recv(n)

    def shutdown_write(self) -> None:
        self._stdin.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End the session, and wake who reads or writes."""
        self.closed = True
        for end in (self._stdin, self._stdout, self._stderr, self._line):
            end.close()

    def _wait(self) -> None:
        try:
            with self._line.used() as line:
                self.exit_status = exit_status(line)
        except (OSError, EOFError, ValueError):
            self._is_lost = not self.closed and not answers(self._path)
        self.status_event.set()
