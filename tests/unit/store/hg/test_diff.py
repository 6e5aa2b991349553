"""The difference of two texts is one that makes the second of the first."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pacha.store.hg.diff import unified

_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@\n")
LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"-x\n", b"+y\n"]), max_size=12)
TEXT = st.tuples(LINES, st.sampled_from([b"", b"", b"end"])).map(lambda parts: b"".join(parts[0]) + parts[1])
NO_END = b"\\ No newline at end of file\n"


def applied(old: bytes, hunks: list[bytes]) -> bytes:
    """What patch(1) makes of ``old``; fails where a hunk does not fit it."""
    lines, made, at = old.splitlines(keepends=True), list[bytes](), 0
    for line in hunks:
        if match := _HUNK.match(line):
            start = int(match[1]) - (match[2] != b"0")
            made, at = made + lines[at:start], start
        elif line == NO_END:
            made[-1] = made[-1].rstrip(b"\n")
        elif line[:1] == b"+":
            made.append(line[1:])
        else:
            assert line[1:].rstrip(b"\n") == lines[at].rstrip(b"\n")
            made, at = made + [lines[at]] * (line[:1] == b" "), at + 1
    return b"".join(made + lines[at:])


@given(TEXT, TEXT)
def test_the_hunks_make_the_new_text_of_the_old(old: bytes, new: bytes) -> None:
    hunks = list(unified(old, new))
    assert bool(hunks) == (old != new)
    if not {old[-1:], new[-1:]} - {b"\n"}:
        assert applied(old, hunks) == new


def test_three_lines_stand_around_a_change() -> None:
    old = b"".join(b"%d\n" % number for number in range(20))
    assert list(unified(old, old.replace(b"10\n", b"ten\n"))) == [
        b"@@ -8,7 +8,7 @@\n", b" 7\n", b" 8\n", b" 9\n", b"-10\n", b"+ten\n", b" 11\n", b" 12\n", b" 13\n",
    ]  # fmt: skip


def test_a_last_line_without_an_end_is_told() -> None:
    assert list(unified(b"a", b"a\n"))[1:] == [b"-a\n", NO_END, b"+a\n"]
