"""What every connection makes of a command before it is sent, and the limits of what comes back."""

from __future__ import annotations

import pytest

from pacha.errors import UsageError
from pacha.wire.ssh.channel import Stream
from pacha.wire.ssh.commands import Commands
from pacha.wire.ssh.endpoint import Endpoint


class Recording(Commands):
    """A connection that starts nothing."""

    def __init__(self) -> None:
        endpoint = Endpoint(host="h", port=22, user="u", key_files=(), known_hosts=(), host_key_name="h")
        super().__init__(endpoint, 1.0)
        self.lines: list[bytes] = []

    def close(self) -> None:
        pass

    def open_ahead(self, count: int) -> None:
        pass

    def _start(self, command: bytes, idle: float) -> Stream:
        self.lines.append(command)
        raise InterruptedError


def test_each_word_is_quoted() -> None:
    connection = Recording()
    with pytest.raises(InterruptedError):
        connection.run(["echo", "a b", b"$(id)", b"\xff"])
    with pytest.raises(InterruptedError):
        connection.write(b"/it's", b"x")
    assert connection.lines[0] == b"echo 'a b' '$(id)' '\xff'"
    assert connection.lines[1].startswith(b"cat > ")


@pytest.mark.parametrize("argv", [[], [b"a\0b"]])
def test_what_cannot_be_sent(argv: list[bytes]) -> None:
    with pytest.raises(UsageError) as caught:
        Recording().stream(argv)
    assert caught.value.code == "invalid-command"
