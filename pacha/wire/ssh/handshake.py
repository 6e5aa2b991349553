"""Connect to a server and check its host key, before anything about this machine is sent."""

from __future__ import annotations

import fcntl
import logging
import random
import socket
import sys
import termios
import time
from collections.abc import Callable
from typing import Any

from pacha.errors import UnreachableError, no_more_processes
from pacha.system.waits import waiting
from pacha.text import one_line
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.host_key import check_host_key, known_keys_of
from pacha.wire.ssh.library import paramiko, refuse_unknown
from pacha.wire.ssh.proxy_command import ProxyLine

_WINDOW = 4 * 1024 * 1024
_PACKET = 64 * 1024
_LARGEST = 256 * 1024  #: bytes of a packet that OpenSSH takes (packet.c, PACKET_MAX_SIZE)
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_DIGESTS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)


#: One of each kind that both sides know, as sshd_config(5) has them.
_OURS = (
    "Ciphers aes256-gcm@openssh.com, MACs hmac-sha2-256-etm@openssh.com, KexAlgorithms curve25519-sha256@libssh.org, "
    "HostKeyAlgorithms ssh-ed25519"
)


#: What sshd sends in place of a greeting when it drops a connection (sshd.c, drop_connection), for MaxStartups,
#: PerSourceMaxStartups and PerSourcePenalties. Older versions send nothing.
_DROPS = (b"Exceeded MaxStartups", b"Not allowed at this time")


#: Seconds, give or take a half, before a dropped connection is tried again: the first time, and at most.
_AGAIN, _AGAIN_MOST = 0.3, 8.0


class Dropped(UnreachableError):
    """The server hung up before its greeting, as sshd does when too many log in at once: try again."""


class Line:
    """A socket that remembers when it last received something, and the first bytes."""

    def __init__(self, sock: socket.socket | paramiko.Channel | ProxyLine) -> None:
        self._sock = sock
        self._ahead, self._taken = b"", 0  #: what was read already, and how much of it was asked for
        self.heard = time.monotonic()
        # A command that has ended by now is not read any more: it cannot take our greeting.
        self.beginning = sock.beginning if isinstance(sock, ProxyLine) else b""

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes. paramiko asks for a packet in two pieces: what is there is read in one go.

        It asks for as much as a packet says that it has, up to 4 GiB, before it knows who sent that. Raises
        SSHException for more than any packet has.
        """
        if size > _LARGEST:
            raise paramiko.SSHException(f"a packet of more than {_LARGEST} bytes")
        if self._taken == len(self._ahead):
            self._ahead, self._taken = self._sock.recv(_PACKET), 0
            self.heard = time.monotonic()
            self.beginning = self.beginning or self._ahead[:100]
        data = self._ahead[self._taken : self._taken + size]
        self._taken += len(data)
        return data

    def queued(self) -> int:
        """Our bytes that the other side has not acknowledged yet (SIOCOUTQ of tcp(7))."""
        try:
            return int.from_bytes(fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):
            return 0  # closed, or a channel through another server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A TCP connection to the server, in at most ``timeout`` seconds. Raises UnreachableError."""
    where = f"{endpoint.host} (port {endpoint.port})"
    try:
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableError(
            f"The name {endpoint.host} is not known to this machine's resolver.",
            one_line(getattr(error, "strerror", "") or str(error)),
            "Check pacha.host and the network.",
            code="unknown-address",
        ) from error
    except ConnectionRefusedError as error:
        raise UnreachableError(
            f"{where} refuses connections.",
            "no SSH server listens there",
            "Check pacha.ssh.port, and that sshd runs on the master.",
            code="connection-refused",
        ) from error
    except TimeoutError as error:
        raise UnreachableError(
            f"{where} does not answer.",
            f"no connection within {timeout:g} seconds",
            "Check that the master is up and that no firewall is in between.",
            code="no-answer",
        ) from error
    except ConnectionResetError as error:
        raise _dropped(endpoint, b"") from error
    except OSError as error:
        raise UnreachableError(
            f"{where} cannot be reached.",
            error.strerror or one_line(str(error)),
            "Check the network.",
            code="no-route",
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _no_ssh(endpoint: Endpoint, error: Exception, beginning: bytes) -> UnreachableError:
    is_odd = isinstance(error, paramiko.ssh_exception.IncompatiblePeer)
    if is_odd and beginning.startswith((b"SSH-2.0-", b"SSH-1.99-")):
        return UnreachableError(
            f"{endpoint.host} (port {endpoint.port}) does not talk SSH in a way that Pacha knows.",
            one_line(str(error)),
            f"Let its sshd_config allow {_OURS} too; ssh knows some algorithms that Pacha does not.",
            code="no-common-algorithm",
        )
    return UnreachableError(
        f"{endpoint.host} (port {endpoint.port}) does not talk SSH with us.",
        one_line(str(error)) or "it hung up",
        "Check pacha.ssh.port, and that the master's sshd is not refusing this machine.",
        code="not-ssh",
    )


def _dropped(endpoint: Endpoint, beginning: bytes) -> Dropped:
    return Dropped(
        f"{endpoint.host} (port {endpoint.port}) hangs up before anybody can log in.",
        f"it says: {one_line(beginning)}" if beginning else "it says nothing, as an sshd does that has no room",
        "Too many log in there at once: wait, or raise MaxStartups in the master's sshd_config; check pacha.ssh.port.",
        code="login-dropped",
    )


def _quiet_paramiko() -> None:
    """Keep paramiko's own log, with its tracebacks, off stderr."""
    log = logging.getLogger("paramiko")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    log.propagate = False


def handshake(line: Line, endpoint: Endpoint, timeout: float) -> paramiko.Transport:
    """Exchange keys and check the server's host key. Sends nothing about this machine."""
    _quiet_paramiko()
    connected = line.heard
    transport = paramiko.Transport(line, default_window_size=_WINDOW, default_max_packet_size=_PACKET)  # type: ignore[arg-type]
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
    _prefer(transport, endpoint)
    try:
        transport.start_client(timeout=timeout)
        if not transport.initial_kex_done:
            raise paramiko.SSHException(f"no end of the greeting within {timeout:g} seconds")
        blob = transport.get_remote_server_key().asbytes()
    except Exception as error:  # paramiko raises many kinds for odd bytes
        hang_up(transport)
        if type(error) is RuntimeError:  # its thread was not started
            raise no_more_processes() from error
        refuse_unknown(error)
        if line.heard == connected and time.monotonic() - connected >= timeout:
            raise UnreachableError(
                f"{endpoint.host} (port {endpoint.port}) says nothing.",
                f"it took the connection, and nothing came within {timeout:g} seconds",
                "Look whether the master hangs or has too much to do; check pacha.ssh.port.",
                code="no-ssh-greeting",
            ) from error
        if not line.beginning or line.beginning.startswith(_DROPS):
            raise _dropped(endpoint, line.beginning) from error
        raise _no_ssh(endpoint, error, line.beginning) from error
    try:
        check_host_key(endpoint, blob)
    except BaseException:
        hang_up(transport)
        raise
    return transport


def greet(
    reach: Callable[[], socket.socket | paramiko.Channel | ProxyLine],
    endpoint: Endpoint,
    timeout: float,
    patience: float,
) -> tuple[Line, paramiko.Transport]:
    """Connect to a server and check its host key; tried again for ``patience`` seconds while it drops the connection.

    The pause before each try is random and grows, so that many machines do not come back at once.
    """
    began, pause = time.monotonic(), _AGAIN
    while True:
        try:
            line = Line(reach())
            try:
                return line, handshake(line, endpoint, timeout)
            except BaseException:
                line.close()
                raise
        except Dropped:
            wait, elapsed = pause * random.uniform(0.5, 1.5), time.monotonic() - began
            if elapsed + wait >= patience:
                raise
            with waiting(endpoint.label, elapsed):
                time.sleep(wait)
            pause = min(2 * pause, _AGAIN_MOST)


def hang_up(transport: paramiko.Transport) -> None:
    """Close the transport and its socket."""
    transport.close()
    transport.sock.close()


def _prefer(transport: paramiko.Transport, endpoint: Endpoint) -> None:
    """Choose fast and safe algorithms, and put known kinds of host key first, as OpenSSH does."""
    options = transport.get_security_options()
    options.ciphers = [name for name in _CIPHERS if name in options.ciphers]
    options.digests = [name for name in _DIGESTS if name in options.digests]
    options.compression = ["none"]
    own, portless = known_keys_of(endpoint)
    kinds = {key.kind for key in own or portless if not key.revoked}
    kinds |= {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in kinds else set()
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)
