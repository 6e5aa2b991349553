"""A server behind the command of ProxyCommand, and commands that are no way to one."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path

import pytest

from pacha.wire.ssh import Connection, Endpoint
from tests.support.connecting import refused
from tests.support.sshd import Sshd

_PIPE = """
import os, socket, sys, threading
sys.stderr.write("a word on stderr\\n" * 10000)
open(sys.argv[3], "w").write(str(os.getpid()))
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def carry(take, give):
    while data := take():
        give(data)
    os._exit(0)
threading.Thread(target=carry, args=(lambda: line.recv(65536), lambda data: os.write(1, data))).start()
carry(lambda: os.read(0, 65536), line.sendall)
"""


@pytest.fixture
def behind(endpoint: Endpoint, server: Sshd, tmp_path: Path) -> Endpoint:
    """The server by a command; its address is nobody's."""
    (tmp_path / "pipe.py").write_text(_PIPE)
    command = f"'{sys.executable}' '{tmp_path}/pipe.py' {server.address} {server.port} $PLACE"
    return dataclasses.replace(endpoint, host="192.0.2.1", host_key_name=server.name, proxy_command=command)


def ended(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


def test_it_carries_everything_and_ends_with_the_connection(
    behind: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", f"{tmp_path}/pid")  # the shell fills it in
    with Connection.open(behind) as connection:
        pid = int((tmp_path / "pid").read_text())
        assert connection.run(["cat"], stdin=b"x" * 1_000_000).stdout == b"x" * 1_000_000
        assert not ended(pid)
    until = time.monotonic() + 5
    while not ended(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert ended(pid)


def test_it_ends_where_the_host_key_is_not_known(
    behind: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", f"{tmp_path}/pid")
    error = refused(dataclasses.replace(behind, host_key_name="nobody"))
    assert error.code == "host-key-unknown" and "ProxyCommand=" in error.hint
    until = time.monotonic() + 5
    while not ended(int((tmp_path / "pid").read_text())) and time.monotonic() < until:
        time.sleep(0.05)
    assert ended(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("/no/such/command", "/no/such/command"),
        ("sh -c 'echo no way there >&2; exit 1'", "no way there"),
        ("false", "it ended"),
        ("sleep 60", "within 0.5 seconds"),
    ],
)
def test_one_that_is_no_way(endpoint: Endpoint, command: str, word: str) -> None:
    error = refused(dataclasses.replace(endpoint, proxy_command=command), timeout=0.5 if "0.5" in word else 120.0)
    assert error.code == "proxy-command-failed"
    assert word in error.why and command in error.why


def test_one_that_says_something_else(endpoint: Endpoint) -> None:
    assert refused(dataclasses.replace(endpoint, proxy_command="echo hello")).code == "not-ssh"
