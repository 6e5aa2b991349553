"""An SSH connection that carries many commands and streams at once."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from functools import partial

from pacha.errors import PachaError, UnreachableError
from pacha.system import background
from pacha.text import one_line
from pacha.wire.ssh.auth import log_in
from pacha.wire.ssh.channel import Stream, alarm, end
from pacha.wire.ssh.command_channel import CommandChannel
from pacha.wire.ssh.commands import ASKED_AGAIN, Commands, lost, refused, too_many
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.handshake import Line, dial, greet, hang_up
from pacha.wire.ssh.library import cMSG_CHANNEL_REQUEST, paramiko, refuse_unknown
from pacha.wire.ssh.proxy_command import ProxyLine, run_proxy

_LOST = (paramiko.SSHException, EOFError, OSError)


class Connection(Commands):
    """An SSH connection for many commands and streams at once. A context manager."""

    failures: tuple[type[Exception], ...] = _LOST

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
        super().__init__(endpoint, idle)
        self.transport = transport
        self.stalled = False
        self._line = line
        self._through = through
        self._stall = stall
        self._timeout = timeout
        self._closing = threading.Event()
        self._opened: deque[Future[CommandChannel]] = deque()  #: each with a slot of its own
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
            line, transport = greet(partial(reach, endpoint, through, timeout), endpoint, timeout, patience)
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

    def close(self) -> None:
        """Close the connection, which ends its open streams."""
        self._closing.set()
        for other in self._others:
            other.close()
        hang_up(self.transport)
        if self._through:
            self._through.close()

    def open_ahead(self, count: int) -> None:
        """Start opening the channels of the next commands, which saves them a round trip."""
        for _ in range(0 if self._is_for_one else count):
            if self._slots.acquire(blocking=False):
                self._opened.append(background.start(self._channel, self._idle))

    def _channel(self, idle: float) -> CommandChannel:
        """A new channel, requested again if refused: a busy OpenSSH may still count sessions that have ended."""
        for pause in ASKED_AGAIN:
            try:
                return CommandChannel.of(self.transport.open_session(timeout=idle))
            except paramiko.SSHException as error:
                if not _is_refusal(error):
                    raise
                time.sleep(pause)
        return CommandChannel.of(self.transport.open_session(timeout=idle))

    def _taken(self, idle: float) -> Future[CommandChannel] | None:
        """A channel that was opened ahead; None: the caller has a slot for a new one."""
        try:
            opened = self._opened.popleft()
        except IndexError:
            if not self._slots.acquire(timeout=idle):
                raise too_many() from None
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

    def _let_go(self, carrier: Connection, channel: CommandChannel) -> None:
        """Release a stream's slot, and its connection unless the command may still run."""
        if channel.exit_status >= 0:
            self._free.append(carrier)
        self._slots.release()

    def _session(self, command: bytes, idle: float, opened: Future[CommandChannel] | None) -> CommandChannel:
        channel = None
        try:
            channel = opened.result(idle) if opened else self._channel(idle)
            with alarm(idle, partial(end, channel, _LOST)):
                channel.set_environment_variable("LC_ALL", "C")  # a request without an answer (RFC 4254, 6.4)
                _execute(self.transport, channel, command)
        except Exception as error:  # as in handshake
            if channel is not None:
                end(channel, _LOST)
            refuse_unknown(error)
            if _is_refusal(error):
                raise refused(self.endpoint, one_line(str(error))) from error
            raise self.lost(f"no command could be started: {one_line(str(error))}") from error
        channel.settimeout(idle)
        return channel

    def queued(self, idle: float) -> int:
        """Our bytes that are still on their way to the server, or to the one in between."""
        return self._through.queued(idle) if self._through else self._line.queued()

    def lost(self, why: str) -> UnreachableError:
        """The error for a lost connection, with ``why`` unless it stalled."""
        if self.stalled:
            why = f"nothing was heard from it for {self._stall:g} seconds"
        elif (cause := self.transport.saved_exception) is not None:
            why = f"{why} ({one_line(str(cause)) or type(cause).__name__})"
        return lost(self.endpoint, why)

    def is_active(self) -> bool:
        """Whether the connection is not lost."""
        return self.transport.is_active()

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
        except _LOST:
            pass  # the connection is lost: reading and writing raise it


def _is_refusal(error: Exception) -> bool:
    """Whether the server refuses another channel. Of several refused at once, paramiko gives one the reason."""
    return isinstance(error, paramiko.ChannelException) or str(error) == "Unable to open channel."


def reach(
    endpoint: Endpoint, through: Connection | None, timeout: float
) -> socket.socket | paramiko.Channel | ProxyLine:
    """A line to the server: direct, by a command, or ``through`` another server. Raises UnreachableError."""
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
