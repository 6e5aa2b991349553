"""The lines of a file behind their snapshots: in columns, and as JSON."""

from __future__ import annotations

from unittest.mock import patch

from pacha.history.annotate import AnnotatedLine
from pacha.store import hg
from pacha.ui.annotate import as_json, lines

REVISIONS = [
    hg.Revision("1" * 40, hg.Note("why\n\n1 added", "root@bar", 0.0), ()),
    hg.Revision("2" * 40, hg.Note("1 changed", "alice@bar", 60.0), ()),
]
LINES = [AnnotatedLine(REVISIONS[0], b"a\x1b[2J\n"), AnnotatedLine(REVISIONS[1], b"b\xff")]


def test_columns_are_even_and_content_is_passed_on() -> None:
    first, second = lines(LINES)
    assert first.startswith(b"111111111111  ") and first.endswith(b"  root@bar   a\x1b[2J\n")
    assert second.endswith(b"  alice@bar  b\xff\n")


def test_a_terminal_gets_content_escaped() -> None:
    with patch("pacha.ui.annotate.at_terminal", return_value=True):
        assert b"\x1b[2J" not in b"".join(lines(LINES))


def test_json_has_each_line_with_its_number() -> None:
    first, second = as_json(LINES, "bar")
    assert first["line"] == 1 and first["message"] == "why" and first["at"] == "1970-01-01T00:00:00Z"
    assert second["text"] == "b\udcff" and second["message"] == "" and second["id"] == "2" * 40
