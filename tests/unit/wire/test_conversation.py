"""Conversations in the control channel: whose bytes are whose, and what a hostile master may send."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.wire import control
from pacha.wire.control import Control
from pacha.wire.conversation import PIECE, piece_of, pieces
from pacha.wire.master import NoRepository
from pacha.wire.message import decode


class Stream:
    """A stream that says something and has ended."""

    def __init__(self, said: bytes) -> None:
        self.stdin, self.stdout = self, io.BytesIO(said)
        self.sent, self.complaints, self.is_closed = b"", b"", False

    def write(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def finish(self) -> SimpleNamespace:
        return SimpleNamespace(stderr=b"")

    def close_write(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


def channel(*said: bytes) -> tuple[Control, Stream]:
    stream = Stream(b"".join(said))
    return Control(stream), stream  # type: ignore[arg-type]


def answer(number: int, **fields: Any) -> bytes:
    return control.encode({"number": number, **fields})


def test_long_data_goes_in_pieces_and_nothing_is_the_end() -> None:
    stream = io.BytesIO(pieces(3, b"x" * (PIECE + 1)) + pieces(3, b""))
    sizes = []
    while line := stream.readline():
        number, size = piece_of(decode(line)) or (0, 0)
        sizes.append(size)
        assert number == 3 and stream.read(size) == b"x" * size
    assert sizes == [PIECE, 1, 0]


@pytest.mark.parametrize(
    "line", [b'{"of": 1}', b'{"of": "1", "bytes": 1}', b'{"of": 1, "bytes": -1}', b'{"of": 1, "bytes": 9999999}']
)
def test_what_is_no_piece(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        piece_of(decode(line))


def test_bytes_of_several_conversations_go_to_each() -> None:
    made, stream = channel(
        pieces(1, b"outer"), pieces(2, b"inner"), b'{"is": "asked"}\n', answer(2), pieces(1, b"!"), answer(1)
    )
    with made.conversation("serve", name="db") as outer:
        with made.conversation("serve", name="etc") as inner:
            assert made.ask("probe") == {"is": "asked"}
            assert inner.stdout.read(100) == b"inner"
        assert outer.stdout.read(100) == b"outer!" and outer.stdout.read(1) == b""
    assert [json.loads(line) for line in stream.sent.splitlines()] == [
        {"do": "serve", "number": 1, "name": "db"}, {"do": "serve", "number": 2, "name": "etc"}, {"do": "probe"},
        {"of": 2, "bytes": 0}, {"of": 1, "bytes": 0},
    ]  # fmt: skip


def test_the_masters_error_explains_an_early_end() -> None:
    refused = control.error_of(PachaError("It is not there.", code="repository-not-found"))
    made, _ = channel(answer(1, **refused))
    with pytest.raises(NoRepository, match="It is not there"), made.conversation("serve", name="etc") as talk:
        assert talk.stdout.readline() == b""
        raise PachaError("It ended.", code="conversation-ended")


def test_a_transfer_waits_for_the_answer() -> None:
    made, _ = channel(answer(1, **control.error_of(DamagedError("No.", code="files-odd"))))
    with pytest.raises(DamagedError, match="No"), made.transfer("fill", name="etc") as talk:
        talk.write(b"files")


def test_a_transfer_that_fails_here_closes_the_channel() -> None:
    made, stream = channel(pieces(1, b"some"))
    with pytest.raises(RuntimeError), made.transfer("fetch", name="etc"):
        raise RuntimeError
    assert stream.is_closed and made.is_closed


@pytest.mark.parametrize("said", [pieces(7, b"of nobody"), answer(7), b'{"number": []}\n', b"{}\n{}\n"])
def test_a_master_that_sends_something_else(said: bytes) -> None:
    made, _ = channel(said)
    with pytest.raises(DamagedError), made.conversation("serve", name="etc") as talk:
        made.ask("probe")
        talk.receive(1)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        pieces(1, b"half of it")[:-5],
        b'{"of": 1, "bytes": 1048577}\n',
        b'{"of": 1, "bytes": true}\n',
        b"rubbish\n",
        pieces(1, b""),
        pieces(1, b"x" * PIECE) * 20,
    ],
)
def test_a_master_that_ends_or_says_no_message(said: bytes) -> None:
    """That is no damage, for which a rebuild would look for an older snapshot."""
    made, _ = channel(said)
    with pytest.raises(UnreachableError), made.conversation("fetch", name="etc") as talk:
        made.ask("probe")
        talk.receive(1)
