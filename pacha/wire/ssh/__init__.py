"""SSH: whom to talk to, whether it is really them, logging in with a key, commands and streams.

The only package that imports paramiko. Nobody is trusted at first sight: a host key that is unknown, changed or
revoked is refused before anything about this machine is sent. Only keys log in, never a password.

This facade imports nothing of paramiko until something here is first used:
    resolve                where a master is and how to log in (endpoint)
    Connection.open        dial, handshake, log in (connection, handshake, known_hosts, auth)
    connection.stream      one command in a channel of its own (channel)
It knows no host of Pacha's, no repository and no command of the master.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pacha.library import UnknownLibraryError
from pacha.text import one_line

if TYPE_CHECKING:
    from pacha.wire.ssh.channel import Result, Stream
    from pacha.wire.ssh.connection import Connection
    from pacha.wire.ssh.endpoint import Endpoint, resolve

__all__ = ["Connection", "Endpoint", "Result", "Stream", "resolve"]

#: The modules that hold what is imported at first use (PEP 562).
_MODULES = {
    "Connection": "connection",
    "Endpoint": "endpoint",
    "Result": "channel",
    "Stream": "channel",
    "resolve": "endpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        globals()[name] = found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except (ImportError, AttributeError) as error:
        raise UnknownLibraryError("paramiko", one_line(str(error))) from error
    return found
