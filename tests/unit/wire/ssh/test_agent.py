"""An agent that answers wrongly, slowly or not at all: an error in time, and nothing else."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pacha.wire.ssh import agent
from pacha.wire.ssh.agent import Agent, AgentError


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def message(kind: int, body: bytes) -> bytes:
    return string(bytes([kind]) + body)


KEYS = message(12, struct.pack(">I", 2) + string(b"one") + string(b"comment") + string(b"two") + string(b""))


@contextmanager
def answering(place: Path, *answers: bytes | None) -> Iterator[str]:
    """An agent that sends the answers in turn, whatever is asked; None: it says nothing for ever."""
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                for answer in answers:
                    if answer is None:
                        done.wait()
                        return
                    line.recv(65536)
                    line.sendall(answer)
                line.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        yield str(place)
        done.set()


def test_its_keys_and_a_signature(tmp_path: Path) -> None:
    with answering(tmp_path / "s", KEYS, message(14, string(b"signature"))) as path:
        found = Agent(path)
        assert found.keys == (b"one", b"two")
        assert found.sign(b"one", b"data", "ssh-ed25519") == b"signature"
        found.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"\0", string(b""), b"\xff\xff\xff\xff", message(5, b""), message(12, b""), message(12, b"\0\0\0\1\0\0"),
     message(12, b"\xff\xff\xff\xff"), message(12, struct.pack(">I", 1) + b"\xff\xff\xff\xff")],
)  # fmt: skip
def test_what_is_no_answer(tmp_path: Path, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "TO_LIST", 0.2)
    with answering(tmp_path / "s", answer) as path, pytest.raises(AgentError):
        Agent(path)


def test_one_that_says_a_byte_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "TO_LIST", 0.3)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def drip() -> None:
            line, _ = listener.accept()
            with line, suppress(OSError):
                for place in range(100):
                    line.sendall(KEYS[place % len(KEYS)].to_bytes(1, "big"))
                    time.sleep(0.1)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(AgentError, match="did not answer within"):
            Agent(str(tmp_path / "s"))
        assert time.monotonic() - began < 2


def test_one_that_does_not_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "TO_SIGN", 0.2)
    with answering(tmp_path / "s", KEYS, message(5, b"")) as path:
        found = Agent(path)
        with pytest.raises(AgentError, match="refuses"):
            found.sign(b"one", b"data", "ssh-ed25519")
        found.close()
    with answering(tmp_path / "t", KEYS, None) as path:
        found = Agent(path)
        for _ in range(2):  # a late answer is not taken for that to the next question
            with pytest.raises(AgentError):
                found.sign(b"one", b"data", "ssh-ed25519")


def test_none(tmp_path: Path) -> None:
    with pytest.raises(AgentError):
        Agent(str(tmp_path / "nobody"))
    with pytest.raises(AgentError):
        Agent("/" + "x" * 200)
