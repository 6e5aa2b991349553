"""A real sshd, an account that it lets in, and a connection to it; no agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

import pytest

from pacha.wire.ssh import Commands, Connection, Endpoint, OpenSsh, resolve
from tests.support.connecting import Opens
from tests.support.sshd import Account, Sshd, account, require_sshd


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    require_sshd()
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="session")
def bar(server: Sshd) -> Iterator[Account]:
    """The account that a host uses at the master."""
    with account(f"pacha-bar-{os.getpid()}") as user:
        server.authorize(user.name)
        yield user


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def endpoint(server: Sshd, bar: Account) -> Endpoint:
    return resolve(
        server.address,
        user=bar.name,
        port=server.port,
        key=str(server.key),
        known_hosts=str(server.known_hosts),
        ssh_config=None,
    )


@pytest.fixture(params=["paramiko", "ssh"])
def opens(request: pytest.FixtureRequest) -> Opens:
    """How a connection is made: by Pacha itself, or by the system's ssh."""
    return Connection.open if request.param == "paramiko" else partial(OpenSsh.open, "ssh")


@pytest.fixture
def connection(endpoint: Endpoint, opens: Opens) -> Iterator[Commands]:
    with opens(endpoint) as opened:
        yield opened


@pytest.fixture
def own(endpoint: Endpoint) -> Iterator[Connection]:
    """A connection by Pacha itself."""
    with Connection.open(endpoint) as opened:
        yield opened
