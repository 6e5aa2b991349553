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
from pathlib import Path

import pytest

from pacha.wire.ssh import Endpoint
from tests.support.connecting import refused


class TestReaching:
    def test_a_closed_port(self, endpoint: Endpoint) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        error = refused(dataclasses.replace(endpoint, port=port))
        assert "refuses connections" in error.message
        assert "pacha.ssh.port" in error.hint

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
        with socket.create_server(("127.0.0.1", 0)) as other:

            def answer() -> None:
                sock, _ = other.accept()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset: socket(7)
                sock.close()

            threading.Thread(target=answer, daemon=True).start()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]))
        assert "does not talk SSH" in error.message

    def test_something_that_hangs_up_before_we_are_connected(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reset comes while we wait to be connected: it is a matter of luck which is seen first."""

        def reset(*_: object) -> socket.socket:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

        monkeypatch.setattr(socket, "create_connection", reset)
        assert "does not talk SSH" in refused(endpoint).message

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
