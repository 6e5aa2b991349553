"""Ask a running ssh(1) for sessions over the socket of its ControlPath (PROTOCOL.mux of OpenSSH).

That socket is this user's own. What comes through it is from ssh itself, but limited all the same.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence

from pacha.wire.ssh.channel import alarm

_HELLO, _VERSION = 0x00000001, 4
_NEW_SESSION, _TERMINATE = 0x10000002, 0x10000005
_OK, _SESSION_OPENED, _EXIT = 0x80000001, 0x80000006, 0x80000004
_NO_ESCAPES = 0xFFFFFFFF
_REQUEST = 1  #: the number of the one request of a conversation
_LONGEST = 256 * 1024  #: bytes of a message, ssh's own limit
_GREETING = 5.0  #: seconds


class NoSsh(Exception):
    """No ssh answers at the socket."""


class SessionRefused(Exception):
    """The server, or ssh, opens no further session."""


def converse(path: str, seconds: float = _GREETING) -> socket.socket:
    """A conversation with the ssh that listens at ``path``, after the greeting. Raises NoSsh."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(seconds)
        line.connect(path)
        _send(line, struct.pack(">II", _HELLO, _VERSION))
        kind, rest = receive(line)
        if (kind, rest[:4]) != (_HELLO, struct.pack(">I", _VERSION)):
            raise NoSsh("it speaks another version")
    except (OSError, EOFError, ValueError) as error:
        line.close()
        raise NoSsh(str(error)) from error
    except BaseException:
        line.close()
        raise
    return line


def answers(path: str) -> bool:
    """Whether an ssh listens at ``path``."""
    try:
        converse(path).close()
    except NoSsh:
        return False
    return True


def terminate(line: socket.socket) -> None:
    """Let ssh end its connection and itself; waits for that a few seconds at most, and then leaves it alone."""
    try:
        line.settimeout(_GREETING)
        with alarm(_GREETING, lambda: line.shutdown(socket.SHUT_RDWR)):  # however little it says at a time
            _send(line, struct.pack(">II", _TERMINATE, _REQUEST))
            while receive(line)[0] != _OK:
                pass
    except (OSError, EOFError, ValueError):
        pass  # it has ended


def begin_session(line: socket.socket, command: bytes, ends: Sequence[socket.socket], seconds: float) -> None:
    """Start a command, whose standard streams are the three ``ends``; its exit status comes over ``line``.

    Raises SessionRefused, and OSError or EOFError where ssh has ended or does not answer in time.
    """
    until = time.monotonic() + seconds
    line.settimeout(seconds)
    flags = struct.pack(">IIII", 0, 0, 0, 0)  # neither a terminal, X11, the agent, nor a subsystem
    strings = (b"", command, b"LC_ALL=C")
    head = struct.pack(">II", _NEW_SESSION, _REQUEST) + _packed(b"") + flags + struct.pack(">I", _NO_ESCAPES)
    _send(line, head + b"".join(map(_packed, strings)))
    for end in ends:
        socket.send_fds(line, [b"\0"], [end.fileno()])
    line.settimeout(max(0.001, until - time.monotonic()))
    if receive(line)[0] != _SESSION_OPENED:
        raise SessionRefused


def exit_status(line: socket.socket) -> int:
    """Wait for the exit status of a session. Raises EOFError where there is none: a signal, or a lost connection."""
    line.settimeout(None)
    while True:
        kind, rest = receive(line)
        if kind == _EXIT:
            return int.from_bytes(rest[4:8], "big")


def receive(line: socket.socket) -> tuple[int, bytes]:
    """The next message: its type and the rest. Raises EOFError at the end, ValueError for anything but a message."""
    length = int.from_bytes(_read(line, 4), "big")
    if not 4 <= length <= _LONGEST:
        raise ValueError("this is not a message of ssh")
    message = _read(line, length)
    return int.from_bytes(message[:4], "big"), message[4:]


def _read(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = line.recv(size - len(data))
        if not more:
            raise EOFError("ssh hung up")
        data += more
    return data


def _send(line: socket.socket, message: bytes) -> None:
    line.sendall(_packed(message))


def _packed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
