"""A channel that closes while something is on its way to it: OpenSSH does not hang up."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from pacha.wire.ssh import Connection
from pacha.wire.ssh.library import paramiko

_DATA, _EOF = b"\x5e", b"\x60"


class Late:
    """In place of a transport's ``_send_user_message``: what begins with ``kind`` is sent once its channel is closed.

    So long is a thread that sends interrupted at times, by one that reads that the command has ended.
    """

    def __init__(self, transport: paramiko.Transport, kind: bytes) -> None:
        self.real = transport._send_user_message  # type: ignore[attr-defined]
        self.kind = kind
        self.channel: Any = None
        self.was_late = threading.Event()
        transport._send_user_message = self  # type: ignore[attr-defined]

    def __call__(self, message: paramiko.Message) -> None:
        if self.channel is not None and message.asbytes()[:1] == self.kind and not self.was_late.is_set():
            until = time.monotonic() + 10
            while not self.channel.closed and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(0.1)  # its close is sent without the lock, too
            self.was_late.set()
        self.real(message)


@pytest.mark.parametrize("kind", [_DATA, _EOF])
def test_nothing_is_sent_behind_the_close(own: Connection, kind: bytes) -> None:
    late = Late(own.transport, kind)
    with own.stream(["sleep", "1"]) as stream:  # it ends while it is written to
        late.channel = stream._channel
        if kind == _DATA:
            stream.write(b"more")
        else:
            stream.close_write()
        with suppress(BrokenPipeError):
            stream.write(b"nothing reads this")
        assert late.was_late.is_set() and stream.finish().status == 0
    assert own.run(["echo", "on"]).stdout == b"on\n"
