"""The table of a master's hosts, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pacha.ui.check import check_json
from pacha.ui.console import at_terminal, columns, folded, size_text
from pacha.ui.times import moment, utc

if TYPE_CHECKING:
    from pacha.server.check_results import CheckResult
    from pacha.server.hosts import HostStatus


#: Columns that a narrow terminal has no room for, those that are missed least first.
_SPARED = (("EVERY", "PATHS", "FILES"), ("SIZE",), ("SNAPSHOT",), ("CHECKED",))
_TITLES = ("HOST", "STATE", "LAST PUSH", "SNAPSHOT", "EVERY", "PATHS", "FILES", "SIZE", "CHECKED", "")


def hosts_text(found: Iterable[HostStatus]) -> str:
    """Every host of a master, a line each, for people."""
    rows = [_TITLES, *(_row(one) for one in found)]
    room = columns() if at_terminal() else 0
    for spared in _SPARED:
        if room and max(map(len, _aligned([row[:-1] for row in rows]))) > room:
            kept = [number for number, title in enumerate(rows[0]) if title not in spared]
            rows = [tuple(row[number] for number in kept) for row in rows]
    lines = _aligned(rows)
    if room and max(map(len, lines)) > room:  # what is odd stands below its row
        lines = [
            line
            for row, short in zip(rows, _aligned([row[:-1] for row in rows]), strict=True)
            for line in (short, *([folded("      ", row[-1])] if row[-1] else []))
        ]
    return "\n".join(lines)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """A line for each row, its columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(one: HostStatus) -> tuple[str, ...]:
    beat = one.heartbeat
    counts = (str(beat.paths), str(beat.files), size_text(beat.size)) if beat and beat.paths else ("-", "-", "-")
    return (
        one.host, one.state.value, moment(beat.at if beat else 0), moment(beat.made if beat else 0),
        f"{beat.frequency:g} h" if beat else "-", *counts, _when_checked(one.checked), _odd(one),
    )  # fmt: skip


def _odd(one: HostStatus) -> str:
    beat, checked = one.heartbeat, one.checked
    ended = f"its last push ended with exit code {beat.exit}" if beat and beat.exit else ""
    found = checked.faults[:1] if checked and checked.code else ()
    return "; ".join(filter(None, [one.note or ended, *found]))


def problem(one: HostStatus) -> str:
    """What is wrong with a host, in one line."""
    since = f"last push {moment(one.heartbeat.at)}" if one.heartbeat else ""
    return "; ".join(filter(None, [one.state.value, since, _odd(one)]))


def _when_checked(checked: CheckResult | None) -> str:
    if checked is None:
        return "never"
    return moment(checked.at)[:10] + (" failed" if checked.code else " rehearsed" if checked.rehearsed else "")


def hosts_json(found: Iterable[HostStatus]) -> str:
    """The same for programs: a JSON array; times in UTC, null for never."""
    return json.dumps([_host_json(one) for one in found], indent=2)


def _host_json(one: HostStatus) -> dict[str, Any]:
    beat = one.heartbeat
    return {
        "host": one.host,
        "state": one.state.value,
        "fine": one.fine,
        "note": one.note or None,
        "last_push": utc(beat.at) if beat else None,
        "exit": beat.exit if beat else None,
        "version": beat.version if beat else None,
        "snapshot": beat.tip if beat else None,
        "snapshot_at": utc(beat.made) if beat else None,
        "frequency": beat.frequency if beat else None,
        "frequency_claimed": beat.claimed if beat else None,
        "paths": beat.paths if beat else None,
        "files": beat.files if beat else None,
        "size": beat.size if beat else None,
        "checked": check_json(one.checked) if one.checked else None,
    }
