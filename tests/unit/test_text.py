"""Names as a terminal may be shown them: nothing that it obeys, and never two alike."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pacha.text import escape

#: What Mercurial, HFS+ or Pacha itself reads something into, to be glued together at random.
TRICKY = [
    b".hg", b".HG", b".h", b"g", b".", b" ", b"~1", b"hg~1", b"HG8B6C~22", b"%", b"%0A", b"%25", b"\n", b"\r",
    b".pacha", b".pacha%", b".PACHA%", b".pacha-", b"kept-", b".hgsub", b".hgsubstate", b".hgtags", b"a", b"\xff",
    b"\xe2\x80\x8c", b"\xe2", b"\x80\x8d", b"\xef\xbb\xbf", b"\xe2\x81\xaa", b"\xe2\x80\xae", b"\xef", b"\\", b":",
]  # fmt: skip


COMPONENT = st.one_of(
    st.binary(min_size=1, max_size=12),
    st.lists(st.sampled_from(TRICKY), min_size=1, max_size=5).map(b"".join),
).map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"_"))


RELATIVE = st.lists(COMPONENT.filter(lambda name: name not in (b".", b"..")), min_size=1, max_size=4).map(b"/".join)


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
