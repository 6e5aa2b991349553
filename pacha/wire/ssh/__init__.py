"""SSH: whom to talk to, whether it is really them, logging in with a key, commands and streams.

The only package that imports paramiko. Nobody is trusted on first sight: a host key that is unknown,
changed or revoked is refused before anything about us is sent. Only keys log in, never a password.
"""

from __future__ import annotations

import sys

# Paramiko takes 50 ms to import invoke, which it runs the commands of "Match exec" with (ssh_config(5)) and for
# which it has a way to do without. Where there is such a line, endpoint gives it back.
_is_new = "invoke" not in sys.modules
if _is_new:
    sys.modules["invoke"] = None  # type: ignore[assignment]  # its import is refused

from pacha.wire.ssh.channel import Result, Stream  # noqa: E402
from pacha.wire.ssh.connection import Connection  # noqa: E402
from pacha.wire.ssh.endpoint import Endpoint, resolve  # noqa: E402

if _is_new:
    del sys.modules["invoke"]

__all__ = ["Connection", "Endpoint", "Result", "Stream", "resolve"]
