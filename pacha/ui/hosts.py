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


#: Columns that are dropped at a narrow terminal, the least important first.
_DROPPED = (("EVERY", "PATHS", "FILES"), ("SIZE", "SEALED", "SIGNED"), ("SNAPSHOT",), ("CHECKED",))
_TITLES = (
    "HOST",
    "STATE",
    "LAST PUSH",
    "SNAPSHOT",
    "EVERY",
    "PATHS",
    "FILES",
    "SIZE",
    "SEALED",
    "SIGNED",
    "CHECKED",
    "",
)


def hosts_text(hosts: Iterable[HostStatus]) -> str:
    """Every host of a master, a line each, for people."""
    rows = [_TITLES, *(_row(host) for host in hosts)]
    room = columns() if at_terminal() else 0
    for dropped in _DROPPED:
        if room and max(map(len, _aligned([row[:-1] for row in rows]))) > room:
            columns_left = [number for number, title in enumerate(rows[0]) if title not in dropped]
            rows = [tuple(row[number] for number in columns_left) for row in rows]
    lines = _aligned(rows)
    if room and max(map(len, lines)) > room:  # put the remarks below their rows
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


def _row(host: HostStatus) -> tuple[str, ...]:
    beat, checked = host.heartbeat, host.checked
    sealed = str(checked.sealed) if checked and checked.tip else "-"
    signed = (checked and checked.signature) or "-"
    counts = (str(beat.paths), str(beat.files), size_text(beat.size)) if beat and beat.paths else ("-", "-", "-")
    return (
        host.host, host.state.value, moment(beat.at if beat else 0), moment(beat.made if beat else 0),
        f"{beat.frequency:g} h" if beat else "-", *counts, sealed, signed, _when_checked(checked), remark(host),
    )  # fmt: skip


def remark(host: HostStatus) -> str:
    """What there is to say of a host besides its state and its last push, "" for nothing."""
    beat, checked = host.heartbeat, host.checked
    ended = f"its last push ended with exit code {beat.exit}" if beat and beat.exit else ""
    faults = checked.faults[:1] if checked and checked.code else ()
    return "; ".join(filter(None, [host.note or ended, *faults]))


def problem(host: HostStatus) -> str:
    """What is wrong with a host, in one line."""
    since = f"last push {moment(host.heartbeat.at)}" if host.heartbeat else ""
    return "; ".join(filter(None, [host.state.value, since, remark(host)]))


def _when_checked(checked: CheckResult | None) -> str:
    if checked is None:
        return "never"
    return moment(checked.at)[:10] + (" failed" if checked.code else " rehearsed" if checked.rehearsed else "")


def hosts_json(hosts: Iterable[HostStatus]) -> str:
    """The same for programs: a JSON array; times in UTC, null for never."""
    return json.dumps([_host_json(host) for host in hosts], indent=2)


def _host_json(host: HostStatus) -> dict[str, Any]:
    beat = host.heartbeat
    return {
        "host": host.host,
        "state": host.state.value,
        "fine": host.fine,
        "note": host.note or None,
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
        "checked": check_json(host.checked) if host.checked else None,
    }
