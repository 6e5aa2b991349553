"""SSH: find a server, check its host key, log in with a key, run commands and streams.

The only package that imports paramiko, or runs the system's ssh in its place. No server is trusted on first use: an
unknown, changed or revoked host key is refused before anything about this machine is sent. Never a password.

This facade imports paramiko when something here is first used:
    resolve                where a master is and how to log in (endpoint)
    Connection.open        dial, handshake, log in (connection, handshake, known_hosts, auth)
    OpenSsh.open           the same by the system's ssh (openssh, openssh_options, multiplexer, diagnosis)
    connection.stream      one command in a channel of its own (channel, multiplexed_channel, commands)
    RemoteShell            small commands in one sh that stays (remote_shell)
It knows nothing of Pacha's hosts, repositories and commands.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pacha.library import UnknownLibraryError
from pacha.text import one_line

if TYPE_CHECKING:
    from pacha.wire.ssh.channel import Result, Stream
    from pacha.wire.ssh.commands import Commands
    from pacha.wire.ssh.connection import Connection
    from pacha.wire.ssh.diagnosis import diagnose
    from pacha.wire.ssh.endpoint import Endpoint, resolve
    from pacha.wire.ssh.openssh import OpenSsh
    from pacha.wire.ssh.remote_shell import RemoteShell

__all__ = ["Commands", "Connection", "Endpoint", "OpenSsh", "RemoteShell", "Result", "Stream", "diagnose", "resolve"]

#: The module of each name, imported at first use (PEP 562).
_MODULES = {
    "Commands": "commands",
    "Connection": "connection",
    "Endpoint": "endpoint",
    "OpenSsh": "openssh",
    "RemoteShell": "remote_shell",
    "Result": "channel",
    "Stream": "channel",
    "diagnose": "diagnosis",
    "resolve": "endpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        globals()[name] = value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except (ImportError, AttributeError) as error:
        raise UnknownLibraryError("paramiko", one_line(str(error))) from error
    return value
