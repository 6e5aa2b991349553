"""Names as a terminal may be shown them: nothing that it obeys, and never two alike."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pacha.text import escape
from tests.support.file_names import RELATIVE, TRICKY


@given(st.one_of(RELATIVE, st.binary(max_size=30), st.text(max_size=20).map(lambda t: t.encode("utf-8", "replace"))))
@settings(max_examples=1000, deadline=None)
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


@given(SHOWN, SHOWN)
@settings(max_examples=500, deadline=None)
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
