"""The conversation with a running ssh, against an end that answers as it should not."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pacha.wire.ssh import multiplexer
from pacha.wire.ssh.multiplexer import (
    NoSsh,
    SessionRefused,
    answers,
    begin_session,
    converse,
    exit_status,
    terminate,
)

HELLO = struct.pack(">III", 8, 1, 4)


@contextmanager
def an_end(folder: Path, says: bytes) -> Iterator[str]:
    """A socket whose listener ``says`` something to each who comes, reads, and hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()

        def answer() -> None:
            while True:
                try:
                    line = listener.accept()[0]
                except OSError:
                    return
                with line, suppress(ConnectionError):
                    line.sendall(says)
                    line.shutdown(socket.SHUT_WR)
                    while line.recv(4096):
                        pass

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield str(folder / "s")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    "says",
    [b"", b"\0\0", b"\xff\xff\xff\xff" + b"x" * 100, struct.pack(">III", 8, 1, 3), struct.pack(">II", 4, 7)],
    ids=["nothing", "half", "endless", "version", "kind"],
)
def test_no_ssh(tmp_path: Path, says: bytes) -> None:
    with an_end(tmp_path, says) as path:
        assert not answers(path)
        with pytest.raises(NoSsh):
            converse(path)


def test_nobody_listens(tmp_path: Path) -> None:
    assert not answers(str(tmp_path / "none"))


@pytest.mark.parametrize("then", [b"", struct.pack(">IIIII", 16, 0x80000003, 1, 0, 0)], ids=["end", "refusal"])
def test_a_session_that_does_not_begin(tmp_path: Path, then: bytes) -> None:
    with an_end(tmp_path, HELLO + then) as path, converse(path) as line:
        ours, theirs = socket.socketpair()
        with ours, theirs, pytest.raises((SessionRefused, EOFError)):
            begin_session(line, b"true", [theirs] * 3, 5.0)


def test_one_that_goes_on_talking_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiplexer, "_GREETING", 0.2)
    ours, theirs = socket.socketpair()
    ended = threading.Event()

    def talk() -> None:
        with suppress(OSError):
            while not ended.wait(0.02):
                theirs.sendall(struct.pack(">II", 4, 7))

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    with ours, theirs:
        terminate(ours)
        ended.set()
        thread.join(5)


def test_the_exit_status(tmp_path: Path) -> None:
    other = struct.pack(">III", 8, 0x80000008, 1)
    with an_end(tmp_path, HELLO + other + struct.pack(">IIII", 12, 0x80000004, 1, 3)) as path, converse(path) as line:
        assert exit_status(line) == 3
        with pytest.raises(EOFError):
            exit_status(line)
