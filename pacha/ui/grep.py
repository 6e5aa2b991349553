"""Show the lines that were found in contents. They are hostile text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pacha.fleet.grep import ContentMatch, MatchingLine, Search
from pacha.fleet.history_grep import HistoryMatch
from pacha.text import escape, local_minute, printable
from pacha.ui.console import at_terminal, styled, wrapped
from pacha.ui.fleet import host_list
from pacha.ui.times import utc


def match_lines(match: ContentMatch) -> Iterator[str]:
    """The path, the hosts that have the same there, and below them the lines."""
    path, hosts = escape(match.path), f"{len(match.hosts)}: {host_list(match.hosts)}"
    yield styled(path, "bold") + (f"\n{wrapped('  ', hosts, 2)}" if at_terminal() else f"  {hosts}")
    yield from _line_texts(match.lines)


def name_lines(match: ContentMatch) -> Iterator[str]:
    """HOST:PATH for each host."""
    for host in match.hosts:
        yield f"{host}:{escape(match.path)}"


def search_json(search: Search) -> dict[str, Any]:
    """A search as JSON values; a text that is not UTF-8 has escapes, as on the screen."""
    return {
        "matches": [
            {"path": escape(match.path), "hosts": list(match.hosts), **_lines_json(match.lines)}
            for match in search.matches
        ],
        "without": search.without,
        "too_large": search.large,
        "sealed": search.sealed,
        "faults": search.faults,
    }


def history_match_lines(match: HistoryMatch) -> Iterator[str]:
    """The path, the snapshot that brought the content in, and below them the lines."""
    yield f"{styled(escape(match.path), 'bold')}  {styled(match.node[:12], 'yellow')}  {local_minute(match.at)}"
    yield from _line_texts(match.lines)


def history_match_json(match: HistoryMatch) -> dict[str, Any]:
    """The same as JSON values."""
    snapshot = {"id": match.node, "at": utc(match.at)}
    return {"path": escape(match.path), "snapshot": snapshot, **_lines_json(match.lines)}


def _lines_json(lines: Sequence[MatchingLine]) -> dict[str, Any]:
    return {"lines": [{"number": line.number, "text": _shown(line)} for line in lines], "binary": not lines}


def _line_texts(lines: Sequence[MatchingLine]) -> Iterator[str]:
    if not lines:
        yield "  (binary)"
    for line in lines:
        yield f"  {styled(str(line.number), 'green')}: {_shown(line)}"


def _shown(line: MatchingLine) -> str:
    return printable(line.text.decode("utf-8", "surrogateescape").removesuffix("\r"), keep="\t")
