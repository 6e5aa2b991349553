"""Connections of Pacha's own to a real sshd: by way of a relay, and refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from pacha.errors import UnreachableError
from pacha.wire.ssh import Commands, Connection, Endpoint
from tests.support.sshd import Relay, Sshd

Opens = Callable[..., Commands]  #: ``Connection.open``, or the same by the system's ssh


def through(endpoint: Endpoint, relay: Relay, server: Sshd) -> Endpoint:
    """The same server by way of a relay, known by its own name."""
    return dataclasses.replace(endpoint, port=relay.port, host_key_name=server.name)


def knowing(endpoint: Endpoint, folder: Path, *lines: str) -> Endpoint:
    """The same server, with a file of known hosts in ``folder`` that has these ``lines``."""
    file = folder / "known"
    file.write_text("".join(f"{line}\n" for line in lines))
    return dataclasses.replace(endpoint, known_hosts=(str(file),))


def refused(endpoint: Endpoint, opens: Opens = Connection.open, **options: float) -> UnreachableError:
    """The error of a connection that must not come about, fit to be shown."""
    with pytest.raises(UnreachableError) as caught:
        opens(endpoint, **options).close()
    error = caught.value
    assert error.exit_code == 11
    for text in (error.message, error.why, error.hint):
        assert text and text.isprintable()
    return error
