"""How a host stands, and how all hosts of a master do: for people, for programs, for Prometheus."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pacha.text import escape, local_minute, rfc3339

if TYPE_CHECKING:
    from pacha.host.status import MasterStatus, Status
    from pacha.server.check_results import CheckResult
    from pacha.server.hosts import HostStatus


def status(found: Status) -> str:
    """How this host stands, for people: lines."""
    lines = [
        ("host", f"{found.host} (machine {found.machine or 'without a number yet'})"),
        ("watched", f"{found.watched} path{'' if found.watched == 1 else 's'}, every {found.frequency:g} hours"),
        ("schedule", ", ".join(found.schedule) or "none of ours: pacha schedule install"),
        (
            "last success",
            moment(found.succeeded) + (", which is too long ago" if found.overdue and found.succeeded else ""),
        ),
        ("last try", moment(found.tried)),
        ("failed", found.failure),
        ("to mend it", found.cure if found.failure else ""),
        ("at work now", found.running),
        ("next due", moment(found.next_due) if found.next_due else "now"),
        *((f"on {master.name}", _master(master, found.failure)) for master in found.masters),
        *(("to look at", f"{escape(concern.path)}: {concern.reason}") for concern in found.concerns),
        *(("owed", f"{escape(path)} (not restored by the last rebuild)") for path in found.owed),
        *(
            ("unfinished", f"the rebuild {identifier}: run it again, or 'pacha undo'")
            for identifier in found.unfinished
        ),
        *(("left out", f"{escape(path)} (a socket)") for path in found.left_out),
    ]
    return "\n".join(_line(f"{name + ':':<13} ", text) for name, text in lines if text)


def _line(start: str, text: str) -> str:
    from pacha.ui.console import at_terminal, wrapped

    return wrapped(start, text, 14) if at_terminal() else start + text


def _master(master: MasterStatus, said: str) -> str:
    if master.unsent:
        state = (
            f"{master.unsent} snapshot{'s'[: master.unsent != 1]} not sent yet, up to date {moment(master.succeeded)}"
        )
    else:
        state = "up to date" if master.current or master.succeeded else "nothing sent yet"
        state += f", {moment(master.succeeded)}" if master.succeeded else ""
    return f"{state}; failed: {master.failure}" if master.failure and master.failure != said else state


def status_json(found: Status) -> str:
    """The same for programs: one JSON object; times in UTC, null for never."""
    said: dict[str, Any] = {
        "host": found.host,
        "machine": found.machine,
        "fine": found.fine,
        "frequency": found.frequency,
        "watched": found.watched,
        "schedule": list(found.schedule),
        "last_success": utc(found.succeeded),
        "last_try": utc(found.tried),
        "failure": found.failure or None,
        "cure": found.cure or None,
        "running": found.running or None,
        "next_due": utc(found.next_due),
        "overdue": found.overdue,
        "snapshot": found.tip or None,
        "masters": [
            {
                "name": master.name,
                "last_success": utc(master.succeeded),
                "last_try": utc(master.tried),
                "failure": master.failure or None,
                "unsent": master.unsent,
            }
            for master in found.masters
        ],
        "to_look_at": [{"path": escape(concern.path), "reason": concern.reason} for concern in found.concerns],
        "owed": _names(found.owed),
        "unfinished_rebuilds": list(found.unfinished),
        "left_out": _names(found.left_out),
    }
    return json.dumps(said, indent=2)


def _names(paths: Iterable[bytes]) -> list[str]:
    return [escape(path) for path in paths]


def moment(at: float) -> str:
    """A time (seconds since the epoch) for people, in local time."""
    return local_minute(at) if at else "never"


def utc(at: float) -> str | None:
    """A time (seconds since the epoch) for programs."""
    return rfc3339(at) if at else None


#: Columns that a narrow terminal has no room for, those that are missed least first.
_SPARED = (("EVERY", "PATHS", "FILES"), ("SIZE",), ("SNAPSHOT",), ("CHECKED",))
_TITLES = ("HOST", "STATE", "LAST PUSH", "SNAPSHOT", "EVERY", "PATHS", "FILES", "SIZE", "CHECKED", "")


def hosts(found: Iterable[HostStatus]) -> str:
    """Every host of a master, a line each, for people."""
    from pacha.ui.console import at_terminal, columns

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
            for line in (short, *([_line("      ", row[-1])] if row[-1] else []))
        ]
    return "\n".join(lines)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """A line for each row, its columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(one: HostStatus) -> tuple[str, ...]:
    from pacha.ui.console import size_text

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
        "paths": beat.paths if beat else None,
        "files": beat.files if beat else None,
        "size": beat.size if beat else None,
        "checked": checked_json(one.checked) if one.checked else None,
    }


def checked_json(checked: CheckResult) -> dict[str, Any]:
    """What a check came to, for programs."""
    return {
        "host": checked.host,
        "at": utc(checked.at),
        "exit": checked.code,
        "snapshot": checked.tip or None,
        "snapshot_at": utc(checked.made),
        "files": checked.files,
        "size": checked.size,
        "rehearsed": checked.rehearsed,
        "faults": list(checked.faults),
        "seconds": round(checked.seconds, 3),
    }


def checked(one: CheckResult) -> list[str]:
    """What a check came to, for people: lines."""
    from pacha.ui.console import size_text

    what = f"snapshot {one.tip[:12]} of {moment(one.made)}, {one.files} files, {size_text(one.size)}"
    how = "rehearsed" if one.rehearsed else "whole"
    first = f"{how}: {what} ({one.seconds:.1f} s)" if not one.code else f"{one.faults[0] if one.faults else 'failed'}"
    return [f"{one.host}: {first}", *(f"{one.host}: {fault}" for fault in one.faults[1:] if one.code)]


_METRICS: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("last_push_timestamp_seconds", "When a push last left the master up to date.", lambda one: one.heartbeat.at),
    ("last_snapshot_timestamp_seconds", "When its newest snapshot was made.", lambda one: one.heartbeat.made),
    ("frequency_seconds", "How often it means to push.", lambda one: one.heartbeat.frequency * 3600),
    ("last_push_exit_code", "What its last push ended with.", lambda one: one.heartbeat.exit),
    ("paths", "The paths that it watches.", lambda one: one.heartbeat.paths),
    ("files", "The files of its newest snapshot.", lambda one: one.heartbeat.files),
    ("size_bytes", "Their content.", lambda one: one.heartbeat.size),
    ("checked_timestamp_seconds", "When it was last checked that it can be rebuilt.", lambda one: one.checked.at),
    ("check_exit_code", "What that check ended with.", lambda one: one.checked.code),
)


def prometheus(found: Iterable[HostStatus]) -> str:
    """The same in Prometheus's text format 0.0.4, for the textfile collector; a host's name needs no escape."""
    seen = tuple(found)
    lines = ["# HELP pacha_host_state 1 for the state that the host is in.", "# TYPE pacha_host_state gauge"]
    for one in seen:
        states = (f'pacha_host_state{{host="{one.host}",state="{state.value}"}}' for state in type(one.state))
        lines += [f"{name} {int(state is one.state)}" for name, state in zip(states, type(one.state), strict=True)]
    for name, doc, value in _METRICS:
        lines += [f"# HELP pacha_host_{name} {doc}", f"# TYPE pacha_host_{name} gauge"]
        having = (one for one in seen if (one.checked if "check" in name else one.heartbeat) is not None)
        lines += [f'pacha_host_{name}{{host="{one.host}"}} {value(one):.15g}' for one in having]
    return "\n".join(lines)
