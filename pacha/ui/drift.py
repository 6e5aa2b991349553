"""Show groups of hosts that have the same, with a diff from the largest group to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pacha.fleet.drift import Drift, HostGroup
from pacha.fleet.index import PathState
from pacha.text import escape
from pacha.ui.console import at_terminal, columns, content_line, diff_line, styled, wrapped
from pacha.ui.fleet import host_list, number_of_hosts, state_json, state_text

Diffs = Mapping[tuple[bytes, bytes], tuple[bytes, ...]]


def drift_lines(drift: Drift, diffs: Diffs) -> Iterator[str]:
    """The subject, then each group: how many hosts, what they have, which they are, and the diff."""
    number = sum(len(group.hosts) for group in drift.groups)
    groups = f"{len(drift.groups)} groups of" if len(drift.groups) > 1 else "the same on"
    yield styled(f"{escape(drift.subject)}: {groups} {number_of_hosts(number)}", "bold")
    width = max(len(number_of_hosts(len(group.hosts))) for group in drift.groups)
    reference = next((group.state for group in drift.groups if group.state and group.state.kind == "f"), None)
    for group in drift.groups:
        what = state_text(group.state) if group.state else group.version or "nothing"
        yield from _folded(f"  {number_of_hosts(len(group.hosts)):>{width}}  {what}", host_list(group.hosts))
        if reference and group.state:
            for line in diffs.get((reference.content, group.state.content), ()):
                yield f"    {diff_line(content_line(line))}"
    if drift.unwatched:
        yield from _folded(f"  not watched on {number_of_hosts(len(drift.unwatched))}:", host_list(drift.unwatched))


def drift_name(drift: Drift) -> str:
    """The subject on one line, with the sizes of its groups."""
    return f"{escape(drift.subject)}  {' + '.join(str(len(group.hosts)) for group in drift.groups)}"


def drift_json(drift: Drift, diffs: Diffs) -> dict[str, Any]:
    """The same as JSON values. ``diff``: its lines, from the first group that has a file."""
    reference = next((group.state for group in drift.groups if group.state and group.state.kind == "f"), None)
    return {
        "subject": escape(drift.subject),
        "groups": [_group_json(group, reference, diffs) for group in drift.groups],
        "unwatched": list(drift.unwatched),
    }


def _group_json(group: HostGroup, reference: PathState | None, diffs: Diffs) -> dict[str, Any]:
    key = (reference.content, group.state.content) if reference and group.state else (b"", b"")
    return {
        "hosts": list(group.hosts),
        "state": state_json(group.state) if group.state else None,
        "version": group.version or None,
        "diff": [content_line(line) for line in diffs.get(key, ())],
    }


def _folded(start: str, rest: str) -> Iterator[str]:
    """``rest`` behind ``start``, or below it where a terminal has no room."""
    if not at_terminal() or len(start) + len(rest) + 2 <= columns():
        yield f"{start}  {rest}"
    else:
        yield start
        yield wrapped("      ", rest, 6)
