"""Find out why the system's ssh failed to log in: its own messages are for people alone.

So Pacha takes the same steps with paramiko, up to the login.
"""

from __future__ import annotations

from functools import partial

from pacha.errors import PachaError, UnreachableError
from pacha.wire.ssh.connection import Connection, reach
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.handshake import greet, hang_up
from pacha.wire.ssh.host_key import ssh_command
from pacha.wire.ssh.known_hosts import authorities

#: What paramiko cannot tell of a server that ssh may get into all the same.
_OWN_LIMITS = ("no-common-algorithm", "login-refused")


def diagnose(endpoint: Endpoint, timeout: float, last_line: str) -> UnreachableError:
    """The error for an ssh that failed, with the ``last_line`` that it printed."""
    try:
        _greet(endpoint, timeout)
    except UnreachableError as error:
        signed = error.code == "host-key-unknown" and authorities(endpoint.known_hosts, endpoint.host_key_name)
        return _unknown(endpoint, last_line) if signed or error.code in _OWN_LIMITS else error
    except PachaError:
        return _unknown(endpoint, last_line)
    return UnreachableError(
        f"{endpoint.host} does not let us in as {endpoint.user}.",
        last_line,
        f"See why: {ssh_command(endpoint, ['-v', '-o', 'BatchMode=yes'])}",
        code="login-refused",
    )


def _greet(endpoint: Endpoint, timeout: float) -> None:
    """Connect and check the host key. Raises PachaError."""
    through = Connection.open(endpoint.proxy_jump, timeout, patience=0.0) if endpoint.proxy_jump else None
    try:
        _, transport = greet(partial(reach, endpoint, through, timeout), endpoint, timeout, patience=0.0)
        hang_up(transport)
    finally:
        if through:
            through.close()


def _unknown(endpoint: Endpoint, last_line: str) -> UnreachableError:
    return UnreachableError(
        f"OpenSSH does not get into {endpoint.host} as {endpoint.user}.",
        last_line,
        f"See why: {ssh_command(endpoint, ['-v', '-o', 'BatchMode=yes'])}",
        code="ssh-failed",
    )
