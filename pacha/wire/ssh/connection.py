"""An SSH connection that carries many commands and streams at once."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from pacha.errors import PachaError, UnreachableError, UsageError
from pacha.system import background
from pacha.text import one_line
from pacha.wire.shell import quote
from pacha.wire.ssh.auth import log_in
from pacha.wire.ssh.channel import Result, Stream, alarm, end
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.handshake import Line, dial, greet, hang_up
from pacha.wire.ssh.library import cMSG_CHANNEL_REQUEST, paramiko, refuse_unknown
from pacha.wire.ssh.proxy_command import ProxyLine, run_proxy

#: sshd allows ten sessions on a connection (MaxSessions of sshd_config(5)); stay well below.
MAX_STREAMS = 7
_ASKED_AGAIN = (0.02, 0.1, 0.5)  #: seconds to wait before a refused channel is requested again

_OUTPUT_MAX = 64 * 1024 * 1024


class Connection:
    """An SSH connection for many commands and streams at once. A context manager."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        transport: paramiko.Transport,
        line: Line,
        through: Connection | None,
        stall: float,
        idle: float,
        timeout: float,
    ) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self.stalled = False
        self.moved = 0
        self._line = line
        self._through = through
        self._stall = stall
        self._idle = idle
        self._timeout = timeout
        self._closing = threading.Event()
        self._opened: deque[Future[paramiko.Channel]] = deque()  #: each with a slot of its own
        self._slots = threading.BoundedSemaphore(MAX_STREAMS)
        # When a command ends, dropbear closes each channel whose command has not started, and may hang up.
        self._is_for_one = "dropbear" in transport.remote_version
        self._others: list[Connection] = []  #: connections for further commands at the same time
        self._free: deque[Connection] = deque([self])
        self._opening = threading.Lock()
        background.begin(threading.Thread(target=self._watch, daemon=True))

    @classmethod
    def open(
        cls,
        endpoint: Endpoint,
        timeout: float = 20.0,
        *,
        stall: float = 30.0,
        idle: float = 120.0,
        patience: float = 60.0,
    ) -> Connection:
        """Connect, check the host key, log in: at most ``timeout`` seconds for each of these.

        A server that drops the connection before its greeting is tried again for ``patience`` seconds. Later on a
        connection is given up if nothing is received for ``stall`` seconds, not even an answer to a keepalive; and a
        command of ``stream`` if it reads and writes nothing for ``idle`` seconds, or is that far behind the least speed
        (see ``pace``). Raises UnreachableError.
        """
        through = None
        if endpoint.proxy_jump:
            through = cls.open(endpoint.proxy_jump, timeout, stall=stall, patience=patience)
        try:
            line, transport = greet(partial(_reach, endpoint, through, timeout), endpoint, timeout, patience)
            try:
                log_in(transport, endpoint)
            except BaseException:
                hang_up(transport)
                raise
        except BaseException:
            if through:
                through.close()
            raise
        return cls(
            endpoint=endpoint, transport=transport, line=line, through=through, stall=stall, idle=idle, timeout=timeout
        )

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, which ends its open streams."""
        self._closing.set()
        for other in self._others:
            other.close()
        hang_up(self.transport)
        if self._through:
            self._through.close()

    def run(
        self,
        argv: Sequence[bytes | str],
        *,
        stdin: bytes | None = None,
        timeout: float = 120.0,
        limit: int = _OUTPUT_MAX,
    ) -> Result:
        """Run a command and wait for its end, at most ``timeout`` seconds.

        ``stdin`` None: it reads no input, whose end is not sent (see ``Stream.close_write``). Raises UnreachableError
        for more than ``limit`` bytes of output, for no end in time, and for a lost connection.
        """
        return self._run(_command(argv), stdin, timeout, limit)

    def write(self, path: bytes, data: bytes, *, timeout: float = 120.0) -> Result:
        """Replace the content of the remote file ``path`` by ``data`` (``cat > PATH``); as ``run``."""
        return self._run(b"cat > " + _command([path]), data, timeout, _OUTPUT_MAX)

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
                why = f"more than {limit} bytes from: {one_line(command)}"
                raise UnreachableError(
                    f"{self.endpoint.host} sends without end.",
                    why,
                    "Log in by hand with ssh to see what answers there.",
                    code="endless-answer",
                )
            ended = stream.finish()
        return Result(ended.status, output, ended.stderr)

    def stream(self, argv: Sequence[bytes | str], *, idle: float | None = None) -> Stream:
        """Start a command. Close the stream (``with``): at most MAX_STREAMS are open at a time.

        It ends with UnreachableError after ``idle`` seconds (None: the connection's) in which it reads or writes no
        byte, or when it is that far behind the least speed.
        """
        return self._start(_command(argv), self._idle if idle is None else idle)

    def open_ahead(self, count: int) -> None:
        """Start opening the channels of the next commands, which saves them a round trip."""
        for _ in range(0 if self._is_for_one else count):
            if self._slots.acquire(blocking=False):
                self._opened.append(background.start(self._channel, self._idle))

    def _channel(self, idle: float) -> paramiko.Channel:
        """A new channel, requested again if refused: a busy OpenSSH may still count sessions that have ended."""
        for pause in _ASKED_AGAIN:
            try:
                return self.transport.open_session(timeout=idle)
            except paramiko.SSHException as error:
                if not _is_refusal(error):
                    raise
                time.sleep(pause)
        return self.transport.open_session(timeout=idle)

    def _taken(self, idle: float) -> Future[paramiko.Channel] | None:
        """A channel that was opened ahead; None: the caller has a slot for a new one."""
        try:
            opened = self._opened.popleft()
        except IndexError:
            if not self._slots.acquire(timeout=idle):
                why = f"{MAX_STREAMS} are open and none has ended"
                raise PachaError("Too many streams at once.", why, "Run this again.", code="too-many-streams") from None
            return None
        usable = not opened.done() or (opened.exception() is None and not opened.result().closed)
        return opened if usable else None

    def _start(self, command: bytes, idle: float) -> Stream:
        opened = self._taken(idle)
        try:
            carrier = self._carrier() if self._is_for_one else self
            channel = carrier._session(command, idle, opened)
        except BaseException:
            self._slots.release()
            raise
        if not self._opened:
            self.open_ahead(1)  # for the next command
        return Stream(carrier, channel, idle, partial(self._let_go, carrier, channel))

    def _carrier(self) -> Connection:
        """A connection that runs no command: this one, another, or a new one."""
        try:
            return self._free.popleft()
        except IndexError:
            with self._opening:  # it limits the logins under way from one address
                other = Connection.open(self.endpoint, self._timeout, stall=self._stall, idle=self._idle)
            self._others.append(other)
            return other

    def _let_go(self, carrier: Connection, channel: paramiko.Channel) -> None:
        """Release a stream's slot, and its connection unless the command may still run."""
        if channel.exit_status >= 0:
            self._free.append(carrier)
        self._slots.release()

    def _session(self, command: bytes, idle: float, opened: Future[paramiko.Channel] | None) -> paramiko.Channel:
        channel = None
        try:
            channel = opened.result(idle) if opened else self._channel(idle)
            with alarm(idle, partial(end, channel)):
                channel.set_environment_variable("LC_ALL", "C")  # a request without an answer (RFC 4254, 6.4)
                _execute(self.transport, channel, command)
        except Exception as error:  # as in handshake
            if channel is not None:
                end(channel)
            refuse_unknown(error)
            if _is_refusal(error):
                raise UnreachableError(
                    f"{self.endpoint.host} refuses to run so much at once.",
                    f"on one connection Pacha has up to {MAX_STREAMS} sessions: {one_line(str(error))}",
                    "Let MaxSessions be 10 on the master, as it is by default: see sshd_config(5).",
                    code="too-many-sessions",
                ) from error
            raise self.lost(f"no command could be started: {one_line(str(error))}") from error
        channel.settimeout(idle)
        return channel

    def queued(self) -> int:
        """Our bytes that are still on their way to the server, or to the one in between."""
        return self._through.queued() if self._through else self._line.queued()

    def lost(self, why: str) -> UnreachableError:
        """The error for a lost connection, with ``why`` unless it stalled."""
        if self.stalled:
            why = f"nothing was heard from it for {self._stall:g} seconds"
        elif (cause := self.transport.saved_exception) is not None:
            why = f"{why} ({one_line(str(cause)) or type(cause).__name__})"
        return UnreachableError(
            f"The line to {self.endpoint.host} was lost.",
            why,
            "Run it again when the line is back.",
            code="connection-lost",
        )

    def _watch(self) -> None:
        """Send keepalives to a silent server, and close the connection if it does not answer."""
        while not self._closing.wait(self._stall / 4) and self.transport.is_active():
            silent = time.monotonic() - self._line.heard
            if silent > self._stall:
                self.stalled = True
                self.transport.close()
            elif silent > self._stall / 2:
                with suppress(PachaError):  # no thread is left: the next turn tries again
                    background.begin(threading.Thread(target=self._ask, daemon=True))

    def _ask(self) -> None:
        try:
            self.transport.global_request("keepalive@openssh.com", wait=True)
        except (paramiko.SSHException, EOFError, OSError):
            pass  # the connection is lost: reading and writing raise it


def _is_refusal(error: Exception) -> bool:
    """Whether the server refuses another channel. Of several refused at once, paramiko gives one the reason."""
    return isinstance(error, paramiko.ChannelException) or str(error) == "Unable to open channel."


def _reach(
    endpoint: Endpoint, through: Connection | None, timeout: float
) -> socket.socket | paramiko.Channel | ProxyLine:
    if through:
        return _jump(through, endpoint, timeout)
    if endpoint.proxy_command:
        return run_proxy(endpoint.proxy_command, endpoint.host, timeout)
    return dial(endpoint, timeout)


def _jump(through: Connection, endpoint: Endpoint, timeout: float) -> paramiko.Channel:
    try:
        return through.transport.open_channel(
            "direct-tcpip", (endpoint.host, endpoint.port), ("127.0.0.1", 0), timeout=timeout
        )
    except Exception as error:  # as in handshake
        refuse_unknown(error)
        raise UnreachableError(
            f"{endpoint.host} (port {endpoint.port}) cannot be reached through {through.endpoint.host}.",
            one_line(str(error)),
            "Check ProxyJump, and that the server in between allows forwarding.",
            code="jump-failed",
        ) from error


def _execute(transport: paramiko.Transport, channel: paramiko.Channel, command: bytes) -> None:
    """Start a command as ``exec_command`` does (RFC 4254, 6.5), but do not wait a round trip for the answer.

    If the server refuses it, paramiko closes the channel, as if it had ended.
    """
    request = paramiko.Message()
    request.add_byte(cMSG_CHANNEL_REQUEST)
    request.add_int(channel.remote_chanid)
    request.add_string("exec")
    request.add_boolean(True)
    request.add_string(command)
    transport._send_user_message(request)  # type: ignore[attr-defined]


def _command(argv: Sequence[bytes | str]) -> bytes:
    """A line for the remote shell, in which each word is quoted."""
    words = [os.fsencode(word) for word in argv]
    if not words or any(b"\0" in word for word in words):
        raise UsageError(
            "Not a command that can be sent.",
            "it is empty or has a zero byte in it",
            "Look for one in the configuration.",
            code="invalid-command",
        )
    return b" ".join(os.fsencode(quote(os.fsdecode(word))) for word in words)
