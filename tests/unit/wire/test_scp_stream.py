"""The bytes of a sender, however they come, and the answers that it gets ahead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.errors import DamagedError
from pacha.wire.scp_stream import CREDIT, Sender, odd, start_of
from tests.support.scp_script import Script

LINE_MAX = 50


@given(st.lists(st.binary(max_size=LINE_MAX - 1).filter(lambda line: b"\n" not in line), max_size=5), st.integers(1, 9))
def test_lines_are_the_same_in_whatever_pieces_they_come(lines: list[bytes], piece: int) -> None:
    sender = Sender(Script(b"".join(line + b"\n" for line in lines), piece), LINE_MAX)
    assert [sender.line() for _ in lines] == lines
    assert sender.ended()


@given(st.binary(min_size=1, max_size=60), st.integers(1, 9), st.integers(1, 20))
def test_chunks_are_all_that_came_and_never_more_than_was_asked_for(data: bytes, piece: int, most: int) -> None:
    sender, parts = Sender(Script(data, piece), LINE_MAX), list[bytes]()
    while not sender.ended():
        parts.append(sender.chunk(most))
    assert b"".join(parts) == data and all(0 < len(part) <= most for part in parts)


def test_a_line_and_what_follows_it_do_not_mix() -> None:
    sender = Sender(Script(b"C0644 3 a\nabc\0E\n"), LINE_MAX)
    assert (sender.line(), sender.chunk(3), sender.chunk(1), sender.line()) == (b"C0644 3 a", b"abc", b"\0", b"E")


@pytest.mark.parametrize("data", [b"x" * LINE_MAX, b"x" * 1000 + b"\n"])
def test_a_line_without_end_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        Sender(Script(data), LINE_MAX).line()
    assert caught.value.code == "scp-protocol-error"


def test_a_sender_that_stops_in_the_middle_is_told() -> None:
    for read in (lambda sender: sender.line(), lambda sender: sender.chunk(1)):
        with pytest.raises(DamagedError) as caught:
            read(Sender(Script(b""), LINE_MAX))
        assert caught.value.code == "transfer-ended-early"
    with pytest.raises(DamagedError):
        Sender(Script(b"half a line"), LINE_MAX).line()


def test_answers_are_ahead_and_never_run_out() -> None:
    script = Script(b"")
    sender = Sender(script, LINE_MAX)
    assert script.written == bytes(CREDIT)
    for spent in range(1, 3 * CREDIT):
        sender.spend()
        assert CREDIT - CREDIT // 4 < len(script.written) - spent <= CREDIT


def test_a_sender_that_reads_no_more_is_no_error() -> None:
    class Gone(Script):
        def write(self, data: bytes) -> int:
            raise BrokenPipeError

    assert Sender(Gone(b"E\n"), LINE_MAX).line() == b"E"


def test_what_it_sent_is_shown_escaped_and_cut_short() -> None:
    assert start_of(b"\x1b[2J").isprintable()
    assert len(start_of(b"x" * 5000)) < 300 and start_of(b"x" * 5000) != start_of(b"x" * 200)
    assert odd("nonsense", b"\x1b\xff").why.isprintable()
