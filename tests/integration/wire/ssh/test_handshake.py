"""Servers that cannot be reached, hang up, say nothing, or something else than SSH."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from pacha.wire.ssh import Connection, Endpoint, handshake, resolve
from pacha.wire.ssh.channel import alarm
from tests.support.connecting import refused
from tests.support.sshd import Account, Sshd


@contextmanager
def hanging_up(said: bytes) -> Iterator[tuple[int, list[float]]]:
    """A server that says something and hangs up: its port, and when it was called."""
    times = list[float]()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    times.append(time.monotonic())
                    sock.sendall(said)
                    if said:
                        sock.shutdown(socket.SHUT_WR)
                        sock.recv(1000)
                    else:  # a reset: socket(7)
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()

        threading.Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1], times
        listener.shutdown(socket.SHUT_RDWR)


def half_open_logins(full: Sshd) -> list[socket.socket]:
    """Connections that take every place for logins, and do not log in."""
    idlers = []
    deadline = time.monotonic() + 20
    dropped = 0
    while dropped < 3 and time.monotonic() < deadline:
        idler = socket.create_connection((full.address, full.port))
        if idler.recv(100).startswith(b"SSH-"):
            idlers.append(idler)
            dropped = 0
        else:
            idler.close()
            dropped += 1
            time.sleep(0.1)  # one that sshd has not forgotten yet may count
    return idlers


class TestReaching:
    def test_a_closed_port(self, endpoint: Endpoint) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        error = refused(dataclasses.replace(endpoint, port=port))
        assert "refuses connections" in error.message
        assert "pacha.ssh.port" in error.hint

    @pytest.mark.parametrize(
        ("line", "word"),
        [
            ("Ciphers chacha20-poly1305@openssh.com", "ciphers"),
            ("KexAlgorithms sntrup761x25519-sha512@openssh.com", "kex"),
        ],
    )
    def test_no_algorithm_in_common(self, endpoint: Endpoint, tmp_path: Path, line: str, word: str) -> None:
        with Sshd(tmp_path / "sshd", extra=[line]) as hardened:
            error = refused(dataclasses.replace(endpoint, port=hardened.port))
        assert "does not talk SSH in a way that Pacha knows" in error.message and word in error.why
        assert "Ciphers aes256-gcm@openssh.com" in error.hint and "sshd_config" in error.hint

    def test_a_name_that_nobody_knows(self, endpoint: Endpoint) -> None:
        error = refused(dataclasses.replace(endpoint, host="no-such-host.invalid"))
        assert "no-such-host.invalid is not known to this machine's resolver" in error.message

    def test_something_else_than_ssh(self, endpoint: Endpoint) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:

            def answer() -> None:
                sock, _ = other.accept()
                with sock:
                    sock.sendall(b"HTTP/1.0 400 \x1b[2J\r\n" * 200)

            threading.Thread(target=answer, daemon=True).start()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]))
        assert "does not talk SSH" in error.message

    def test_something_that_hangs_up_at_once(self, endpoint: Endpoint) -> None:
        """Tried again for a while: an sshd that has no room does the same."""
        with hanging_up(b"") as (port, times):
            start = time.monotonic()
            error = refused(dataclasses.replace(endpoint, port=port), patience=1.5)
            assert time.monotonic() - start < 3 and len(times) > 1
        assert error.code == "login-dropped" and "MaxStartups" in error.hint and "pacha.ssh.port" in error.hint

    def test_something_that_says_it_has_no_room(self, endpoint: Endpoint) -> None:
        with hanging_up(b"Exceeded MaxStartups\r\n") as (port, times):
            error = refused(dataclasses.replace(endpoint, port=port), patience=1.0)
            assert error.code == "login-dropped" and len(times) > 1

    @pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"220 mail ESMTP\r\n", b"SSH-1.0-old\r\n"])
    def test_something_else_that_hangs_up_is_not_tried_again(self, endpoint: Endpoint, said: bytes) -> None:
        with hanging_up(said) as (port, times):
            error = refused(dataclasses.replace(endpoint, port=port), patience=60.0)
            assert error.code == "not-ssh" and len(times) == 1

    def test_the_next_try_comes_later_each_time_and_not_for_all_at_once(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reset comes while we wait to be connected: it is a matter of luck which is seen first."""
        now, waits = 0.0, list[float]()

        def reset(*_: object) -> socket.socket:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

        def sleep(seconds: float) -> None:
            nonlocal now
            waits.append(seconds)
            now += seconds

        monkeypatch.setattr(socket, "create_connection", reset)
        monkeypatch.setattr(handshake, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: now))
        for _ in range(2):
            now = 0.0
            assert refused(endpoint).code == "login-dropped"
            assert 40 < now < 60
        assert waits[0] < 0.5 and max(waits) > 4 and len(set(waits)) == len(waits)

    def test_a_server_that_has_no_room_for_a_while(self, tmp_path: Path, bar: Account) -> None:
        """A real sshd, whose places for logins are taken by some who do not log in."""
        with Sshd(tmp_path / "sshd", extra=["MaxStartups 2:100:3"]) as full:
            full.authorize(bar.name)
            endpoint = resolve(
                full.address, user=bar.name, port=full.port, key=str(full.key), known_hosts=str(full.known_hosts),
                ssh_config=None,
            )  # fmt: skip
            idlers = half_open_logins(full)
            error = refused(endpoint, patience=0.8)
            assert error.code == "login-dropped" and "MaxStartups" in error.why + error.hint
            assert "MaxStartups" in full.log_text(), "it was not for want of room"
            with alarm(1.0, lambda: [idler.close() for idler in idlers]):
                with ThreadPoolExecutor(6) as pool:
                    opened = list(pool.map(lambda _: Connection.open(endpoint, patience=20.0), range(6)))
            for one in opened:
                assert one.run(["true"]).status == 0
                one.close()

    @pytest.mark.parametrize("banner", [b"", b"SSH-2.0-silent\r\n"])
    def test_something_that_says_nothing(self, endpoint: Endpoint, banner: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            sockets = []

            def answer() -> None:
                sock, _ = other.accept()
                sock.sendall(banner)
                sockets.append(sock)

            threading.Thread(target=answer, daemon=True).start()
            start = time.monotonic()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]), timeout=0.5)
            assert time.monotonic() - start < 3
            assert ("says nothing" in error.message) == (not banner)
            for sock in sockets:
                sock.close()

    @pytest.mark.parametrize(
        "payload",
        [
            b"\x01\0\0\0\x02\0\0\0\x04\xff\xfe\x1b[\0\0\0\0",  # "disconnect", in no known letters
            b"\x01",
            b"\x14" + bytes(16) + b"\xff\xff\xff\xff",  # "algorithms", of an impossible length
            b"\x14" + bytes(16) + b"\0\0\0\x01x" * 10 + bytes(5),
            b"\x15",
            b"\xff",
        ],
    )
    def test_odd_packets(self, endpoint: Endpoint, payload: bytes) -> None:
        padding = bytes(8 - (len(payload) + 5) % 8 + 8)
        length = len(payload) + len(padding) + 1
        packet = length.to_bytes(4, "big") + bytes([len(padding)]) + payload + padding
        with socket.create_server(("127.0.0.1", 0)) as other:

            def answer() -> None:
                sock, _ = other.accept()
                with sock:
                    sock.sendall(b"SSH-2.0-odd\r\n" + packet)
                    sock.recv(100_000)
                    sock.shutdown(socket.SHUT_WR)

            threading.Thread(target=answer, daemon=True).start()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]), timeout=2)
        assert "does not talk SSH" in error.message

    def test_a_packet_of_gigabytes(self, endpoint: Endpoint) -> None:
        """It is refused by its length, not when all of it has come: nothing is known of who sends it."""
        sent = list[int]()
        with socket.create_server(("127.0.0.1", 0)) as other:

            def answer() -> None:
                sock, _ = other.accept()
                with sock, suppress(OSError):
                    sock.sendall(b"SSH-2.0-odd\r\n" + (0xFFFFFFF4).to_bytes(4, "big") + bytes(4))
                    while sum(sent) < 64 << 20:
                        sent.append(sock.send(bytes(1 << 20)))

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]), timeout=10)
            thread.join(10)
        assert "does not talk SSH" in error.message and "a packet of more than" in error.why
        assert sum(sent) < 32 << 20, "what the sockets hold"

    def test_a_failure_neither_prints_nor_lingers(self, endpoint: Endpoint) -> None:
        """A process whose server hangs up in the middle of the greeting ends at once and says nothing."""
        program = """
import socket, threading
from pacha.errors import UnreachableError
from pacha.wire.ssh import Connection, Endpoint
other = socket.create_server(("127.0.0.1", 0))
def answer():
    sock, _ = other.accept()
    sock.sendall(b"SSH-2.0-x\\r\\n")
    while b"curve25519" not in sock.recv(100000):
        pass
    sock.shutdown(socket.SHUT_WR)
threading.Thread(target=answer, daemon=True).start()
try:
    port = other.getsockname()[1]
    Connection.open(Endpoint(host="127.0.0.1", port=port, user="x", key_files=(), known_hosts=(), host_key_name="x"))
except UnreachableError:
    print("refused")
"""
        top = Path(__file__).parents[4]
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=8, cwd=top)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"refused\n", b"")


def test_what_is_there_is_read_in_one_go() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"SSH-2.0-x\r\n" + bytes(1000))
        line = handshake.Line(ours)
        assert [line.recv(11), line.recv(16)] == [b"SSH-2.0-x\r\n", bytes(16)]
        theirs.close()
        assert line.recv(2000) == bytes(984), "more than was read is asked for in the next call"
        assert line.recv(1) == b""
        assert line.beginning.startswith(b"SSH-2.0-x")
