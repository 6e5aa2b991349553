"""Search the newest contents of all hosts, each distinct content once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pacha.errors import UsageError
from pacha.files.content import WHOLE_LIMIT
from pacha.files.entry import Kind
from pacha.fleet.collect import SEALED
from pacha.fleet.contents import Contents
from pacha.fleet.find import FoundPath, by_state
from pacha.fleet.update import Fleet
from pacha.text import escape
from pacha.wire import message

MOST_LINES = 1000  #: matching lines of one content that are reported
_LONGEST = 4096  #: bytes of a line that is reported


@dataclass(frozen=True, slots=True)
class MatchingLine:
    """A line of a content; numbers begin with 1. ``text`` is without its newline, and may be shortened."""

    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class ContentMatch:
    """The matching ``lines`` of the content that ``hosts`` have at ``path``; () for a binary content that matches."""

    path: bytes
    hosts: tuple[str, ...]
    lines: tuple[MatchingLine, ...]


@dataclass(slots=True)
class Search:
    """The result of a search: the matches by path, the hosts that were searched, and what could not be searched.

    ``faults``: a line for each host that could not be read; ``large``: how many distinct contents are too large;
    ``sealed``: how many paths have a sealed content, which nobody here can open.
    """

    matches: list[ContentMatch] = field(default_factory=list)
    hosts: tuple[str, ...] = ()
    faults: list[str] = field(default_factory=list)
    large: int = 0
    sealed: int = 0

    @property
    def without(self) -> list[str]:
        """The hosts on which nothing matches."""
        having = {host for match in self.matches for host in match.hosts}
        return [host for host in self.hosts if host not in having]


def compiled(regex: str, *, ignore_case: bool = False) -> re.Pattern[bytes]:
    """Compile ``regex`` (Python's syntax) for bytes. Raises UsageError."""
    try:
        return re.compile(regex.encode("utf-8", "surrogateescape"), re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise UsageError(
            f"'{escape(regex[:80])}' is not a regular expression.",
            str(error),
            "Put a backslash before each character that is meant literally.",
            code="invalid-regex",
        ) from None


def grep(fleet: Fleet, pattern: re.Pattern[bytes], folders: Sequence[bytes], hosts: Sequence[str] = ()) -> Search:
    """Search the files at or below ``folders`` (none: all files). Raises UsageError."""
    chosen = fleet.choose(hosts)
    search = Search(hosts=tuple(host.name for host in chosen), faults=fleet.faults(hosts))
    files = list(_files(fleet, folders or [b"/"], search))
    contents = Contents(fleet, files, {host.name: fleet.index.watched(host.id) for host in chosen})
    answers = dict(contents.each(partial(matching_lines, pattern), checked_lines))
    search.faults += [f"{host}: {fault}" for host, fault in contents.faults.items()]
    for file in files:
        if (lines := answers.get(file.state.content)) is not None:
            search.matches.append(ContentMatch(file.path, file.hosts, lines))
    return search


def matching_lines(pattern: re.Pattern[bytes], data: bytes) -> list[tuple[int, str]] | None:
    """Return the lines of ``data`` that match, as JSON values; [] for binary data that matches, None for no match."""
    if b"\0" in data:
        return [] if pattern.search(data) else None
    lines = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if pattern.search(line):
            lines.append((number, line[:_LONGEST].decode("latin-1")))
            if len(lines) == MOST_LINES:
                break
    return lines or None


def checked_lines(lines: Any) -> tuple[MatchingLine, ...] | None:
    """Return the result of ``matching_lines`` that a child replied.

    Raises ValueError, TypeError or AttributeError for an invalid one.
    """
    if lines is None:
        return None
    return tuple(MatchingLine(message.count(number), text.encode("latin-1")) for number, text in lines)


def _files(fleet: Fleet, folders: Sequence[bytes], search: Search) -> Iterator[FoundPath]:
    """Yield the files that can be searched, by path; count the others in ``search``."""
    numbers = {number: path for folder in folders for number, path in fleet.index.paths(folder)}
    large: set[bytes] = set()
    for number, path in sorted(numbers.items(), key=lambda item: item[1]):
        for candidate in by_state(fleet, number, path):
            if candidate.state.content == SEALED:
                search.sealed += 1
            elif candidate.state.kind == Kind.FILE.value and candidate.state.size > WHOLE_LIMIT:
                large.add(candidate.state.content)
            elif candidate.state.kind == Kind.FILE.value:
                yield candidate
    search.large = len(large)
