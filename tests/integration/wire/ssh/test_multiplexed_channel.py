"""One command over the system's ssh: its streams, its end, and a connection that ends before it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from pacha.wire.ssh import Endpoint, OpenSsh
from pacha.wire.ssh.multiplexed_channel import MultiplexedChannel


@pytest.fixture
def path(endpoint: Endpoint) -> Iterator[str]:
    with OpenSsh.open("ssh", endpoint) as connection:
        yield connection._path


def test_its_streams_and_its_end(path: str) -> None:
    channel = MultiplexedChannel(path, b"cat; echo no >&2; exit 7", 10)
    channel.settimeout(10)
    assert channel.send(b"in") == 2 and channel.unanswered == 2
    channel.shutdown_write()
    assert (channel.recv(10), channel.recv_stderr(10), channel.recv(10)) == (b"in", b"no\n", b"")
    assert (channel.exit_status, channel.eof_received, channel.unanswered) == (7, True, 0)
    channel.close()
    with pytest.raises(OSError):
        channel.send(b"x")


def test_a_silence_is_a_timeout(path: str) -> None:
    channel = MultiplexedChannel(path, b"exec >&-; sleep 5", 10)
    channel.settimeout(0.3)
    with pytest.raises(TimeoutError):
        channel.recv(10)
    channel.close()


def test_a_signal_is_an_end_and_a_killed_ssh_is_none(path: str, endpoint: Endpoint) -> None:
    channel = MultiplexedChannel(path, b"kill -9 $$", 10)
    assert (channel.recv(10), channel.exit_status, channel.eof_received) == (b"", -1, True)
    channel.close()
    channel = MultiplexedChannel(path, b"sleep 30", 10)
    checked = subprocess.run(["ssh", "-S", path, "-O", "check", "x"], capture_output=True, text=True)
    os.kill(int(checked.stderr.partition("pid=")[2].partition(")")[0]), signal.SIGKILL)
    start = time.monotonic()
    assert (channel.recv(10), channel.exit_status, channel.eof_received) == (b"", -1, False)
    assert time.monotonic() - start < 8
    channel.close()
