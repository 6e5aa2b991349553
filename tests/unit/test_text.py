"""Names as a terminal may be shown them: nothing that it obeys, and never two alike."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pacha.text import escape, local_minute, local_second, span
from tests.support.amount import examples
from tests.support.file_names import RELATIVE, TRICKY


@pytest.mark.soak
@given(st.one_of(RELATIVE, st.binary(max_size=30), st.text(max_size=20).map(lambda t: t.encode("utf-8", "replace"))))
@settings(max_examples=examples(1000))
@example(b"\x1b]0;owned\x07")
@example("a\u202eb".encode())
@example(b"\xc2\x9b31m")
@example(b"\xed\xb0\x80")
def test_shown_never_lets_anything_through_that_a_terminal_obeys(path: bytes) -> None:
    shown = escape(path)
    for character in shown:
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        assert unicodedata.bidirectional(character) not in {
            "RLO",
            "LRO",
            "RLE",
            "LRE",
            "PDF",
            "RLI",
            "LRI",
            "FSI",
            "PDI",
        }
    shown.encode("utf-8")


#: Bytes that are shown escaped, and the same written out.
ESCAPED = [*TRICKY, b"\x01", b"\\x01", b"\\", b"\x85", b"\xc2\x85", b"\\x85", b"\\u0085"]


SHOWN = st.lists(st.sampled_from(ESCAPED), max_size=4).map(b"".join)


@pytest.mark.soak
@given(SHOWN, SHOWN)
@settings(max_examples=examples(500))
@example(b"\x01", b"\\x01")
@example(b"\x85", b"\xc2\x85")
@example(b"\xff", b"\\xff")
def test_different_names_are_shown_differently(one: bytes, other: bytes) -> None:
    assert (escape(one) == escape(other)) == (one == other)


def test_plain_names_are_shown_as_they_are() -> None:
    assert escape(b"/etc/a b") == "/etc/a b"
    assert escape("/srv/\u00e9\u6c34".encode()) == "/srv/\u00e9\u6c34"
    assert escape(b"a\nb\x1b") == "a\\x0ab\\x1b"
    assert escape(b"\xff") == "\\xff"


@pytest.mark.parametrize(
    ("zone", "at", "text"),
    [
        ("America/New_York", 1793511001, "2026-11-01 01:30:01-0400"),
        ("America/New_York", 1793514601, "2026-11-01 01:30:01-0500"),
        ("America/New_York", 1793511001 - 1860, "2026-11-01 00:59:01"),
        ("America/New_York", 1793514601 + 1800, "2026-11-01 02:00:01"),
        ("America/New_York", 1772953201, "2026-03-08 03:00:01"),  # it was set forward a second before
        ("Europe/Moscow", 1414272601, "2014-10-26 01:30:01+0400"),  # without any summer time
        ("UTC", 1793511001, "2026-11-01 05:30:01"),
    ],
)
def test_a_local_time_that_comes_twice_has_its_zone(
    zone: str, at: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert (local_second(at), local_minute(at)) == (text, text[:16] + text[19:])
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (61, "61 s"),
        (300, "5 minutes"),
        (3 * 3600, "3 hours"),
        (86_400, "24 hours"),
        (34_560_000, "400 days"),
    ],
)
def test_a_length_of_time_is_in_the_unit_that_says_most(seconds: float, words: str) -> None:
    assert span(seconds) == words
