"""Lines of hostile contents are escaped."""

from __future__ import annotations

from pacha.fleet.grep import ContentMatch, MatchingLine, Search
from pacha.fleet.history_grep import HistoryMatch
from pacha.ui import grep


def test_lines() -> None:
    lines = (MatchingLine(3, b"\x1b]0;title\x07\tx\xff"),)
    match = ContentMatch(b"/etc/motd", ("a", "b"), lines)
    assert list(grep.match_lines(match)) == ["/etc/motd  2: a, b", "  3: \\x1b]0;title\\x07\tx\\xff"]
    assert list(grep.name_lines(match)) == ["a:/etc/motd", "b:/etc/motd"]
    assert list(grep.match_lines(ContentMatch(b"/x", ("a",), ())))[1] == "  (binary)"
    assert grep.search_json(Search([match], ("a", "c")))["without"] == ["c"]
    past = HistoryMatch(path=b"/x", node="a" * 40, at=0.0, lines=lines)
    assert grep.history_match_json(past)["snapshot"]["id"] == "a" * 40
    assert next(iter(grep.history_match_lines(past))).startswith("/x  aaaaaaaaaaaa  1970-01-01")
