"""sshd whose addresses are those of another network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pacha.machine import listening


def sshd(folder: Path, *addresses: str, status: int = 0) -> str:
    path = folder / "sshd"
    lines = "".join(f"echo 'listenaddress {address}'\n" for address in addresses)
    path.write_text(f'#!/bin/sh\n[ "$1" = -T ] || exit 9\necho port 22\n{lines}exit {status}\n')
    path.chmod(0o755)
    return str(path)


def test_addresses_of_which_none_is_here(tmp_path: Path) -> None:
    why = listening.unheard(sshd(tmp_path, "192.0.2.1:22", "[2001:db8::1]:2222"))
    assert why == "none of the addresses that it listens at is here: 192.0.2.1, 2001:db8::1"


@pytest.mark.parametrize("address", ["0.0.0.0:22", "[::]:22", "127.0.0.1:22"])
def test_one_that_is_here_is_enough(tmp_path: Path, address: str) -> None:
    assert listening.unheard(sshd(tmp_path, "192.0.2.1:22", address)) == ""


def test_what_it_does_not_tell_is_not_held_against_it(tmp_path: Path) -> None:
    assert listening.unheard(sshd(tmp_path)) == ""
    assert listening.unheard(sshd(tmp_path, "192.0.2.1:22", status=1)) == ""
    assert listening.unheard(str(tmp_path / "absent")) == ""


@pytest.fixture(name="greeting")
def server_that_greets(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Its address and port; it says what the parameter has, to one client after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    line.sendall(request.param)
                    line.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [(b"SSH-2.0-OpenSSH_9.2p1\r\n", True), (b"220 mail ESMTP\r\n", False), (b"", False)],
    indirect=["greeting"],
)
def test_only_an_ssh_server_answers(tmp_path: Path, greeting: tuple[str, int], expected: bool) -> None:
    program = sshd(tmp_path, f"0.0.0.0:{greeting[1]}", f"[::]:{greeting[1]}")
    assert listening.places(program) == [("0.0.0.0", greeting[1]), ("::", greeting[1])]
    assert listening.answers(listening.places(program)) is expected


def test_nothing_answers_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()
    assert not listening.answers([closed, ("127.0.0.1", 99999), ("not an address", 22)])
