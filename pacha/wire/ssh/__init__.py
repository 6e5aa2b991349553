"""SSH: whom to talk to, whether it is really them, logging in with a key, commands and streams.

The only package that imports paramiko. Nobody is trusted on first sight: a host key that is unknown,
changed or revoked is refused before anything about us is sent. Only keys log in, never a password.
"""

from __future__ import annotations

from pacha.wire.ssh.connection import Connection
from pacha.wire.ssh.endpoint import Endpoint, resolve
from pacha.wire.ssh.stream import Result, Stream

__all__ = ["Connection", "Endpoint", "Result", "Stream", "resolve"]
