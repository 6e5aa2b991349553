"""The output of a command, for a reader that believes the lengths it is told."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pacha.errors import UnreachableError
from pacha.wire.ssh.files import Output


class Endless(io.RawIOBase):
    """Output that never ends; it counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        assert self.taken < 1 << 26, "it reads without end"
        buffer[:] = bytes(len(buffer))
        self.taken += len(buffer)
        return len(buffer)


@pytest.mark.parametrize("size", [-1, -5, None, 1 << 31])
def test_a_length_that_cannot_be_is_refused(size: int | None) -> None:
    """To a file of Python, -1 means all that comes."""
    output = Endless()
    with pytest.raises(UnreachableError) as caught:
        Output(output).read(size)
    assert caught.value.code == "not-a-master" and output.taken == 0


@pytest.mark.parametrize("size", [-1, None, 1 << 40])
def test_a_line_without_an_end_is_refused(size: int | None) -> None:
    with pytest.raises(UnreachableError, match="does not answer as one"):
        Output(Endless()).readline(size)


def test_what_is_asked_for_is_read() -> None:
    output = Output(Endless(), 100)
    assert (len(output.read(0)), len(output.read(300)), len(output.readline(20))) == (0, 300, 20)
