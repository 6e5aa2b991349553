"""Reach a server through the command of ProxyCommand (ssh_config(5)), in place of a connection."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from contextlib import suppress
from typing import Any

from pacha.errors import UnreachableError
from pacha.system.home import home_dir
from pacha.system.limited_output import Tail
from pacha.text import one_line

_PEEKED = 100  #: bytes
_GRACE = 1.0  #: seconds for it to end by itself


class ProxyLine:
    """A socket to a command's standard input and output. Closing it ends the command.

    ``beginning``: the first bytes that it said, which are still to be read.
    """

    def __init__(self, sock: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self._sock = sock
        self._process = process
        self.beginning = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def close(self) -> None:
        """Close the socket, and end the command and what it started within two seconds."""
        self._sock.close()
        for number in (signal.SIGHUP, signal.SIGKILL):  # ssh sends the first
            if self._process.poll() is not None:
                return
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE)


def run_proxy(command: str, host: str, timeout: float) -> ProxyLine:
    """Start ``command`` with the user's shell, as ssh does, and wait for the server's first byte.

    Raises UnreachableError if none comes within ``timeout`` seconds.
    """
    own_end, command_end = socket.socketpair()
    shell = os.environ.get("SHELL") or "/bin/sh"
    try:
        with command_end:
            process = subprocess.Popen(
                [shell, "-c", f"exec {command}"],
                stdin=command_end.fileno(),
                stdout=command_end.fileno(),
                stderr=subprocess.PIPE,
                env={**os.environ, "HOME": home_dir()},
                start_new_session=True,
            )
    except OSError as error:
        own_end.close()
        raise _failed(host, command, error.strerror or "") from error
    assert process.stderr
    last, line = Tail(process.stderr), ProxyLine(own_end, process)
    try:
        own_end.settimeout(timeout)
        if beginning := own_end.recv(_PEEKED, socket.MSG_PEEK):
            line.beginning = beginning
            return line
        why = "it ended"
    except TimeoutError:
        why = f"nothing came from it within {timeout:g} seconds"
    except OSError as error:
        why = error.strerror or ""
    except BaseException:
        line.close()
        raise
    line.close()
    raise _failed(host, command, one_line(last.bytes().strip()) or why)


def _failed(host: str, command: str, why: str) -> UnreachableError:
    return UnreachableError(
        f"{host} cannot be reached with the ProxyCommand of ~/.ssh/config.",
        f"{why}: {one_line(command)}",
        "Run that command by hand: a line that begins with SSH-2.0 must come.",
        code="proxy-command-failed",
    )
