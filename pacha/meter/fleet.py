"""How a host stands, and how all hosts of a master do: for people, for programs, for Prometheus."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pacha.files.names import shown

if TYPE_CHECKING:
    from pacha.actions.status import MasterStatus, Status


def status(found: Status) -> str:
    """How this host stands, for people: lines."""
    lines = [
        ("host", f"{found.host} (machine {found.machine or 'without a number yet'})"),
        ("watched", f"{found.watched} paths, every {found.frequency:g} hours"),
        ("schedule", ", ".join(found.schedule) or "none of ours: pacha schedule install"),
        (
            "last success",
            moment(found.succeeded) + (", which is too long ago" if found.overdue and found.succeeded else ""),
        ),
        ("last try", moment(found.tried)),
        ("failed", found.failure),
        ("at work now", found.running),
        ("next due", moment(found.next_due) if found.next_due else "now"),
        *((f"on {master.name}", _master(master)) for master in found.masters),
        *(("to look at", f"{shown(concern.path)}: {concern.reason}") for concern in found.concerns),
        *(("owed", f"{shown(path)} (not restored by the last rebuild)") for path in found.owed),
        *(
            ("unfinished", f"the rebuild {identifier}: run it again, or 'pacha undo'")
            for identifier in found.unfinished
        ),
        *(("left out", f"{shown(path)} (a socket)") for path in found.left_out),
    ]
    return "\n".join(f"{name + ':':<14}{text}" for name, text in lines if text)


def _master(master: MasterStatus) -> str:
    if master.unsent:
        state = f"{master.unsent} snapshots not sent yet, up to date {moment(master.succeeded)}"
    else:
        state = f"up to date, {moment(master.succeeded)}" if master.succeeded else "nothing sent yet"
    return f"{state}; failed: {master.failure}" if master.failure else state


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
        "to_look_at": [{"path": shown(concern.path), "reason": concern.reason} for concern in found.concerns],
        "owed": _names(found.owed),
        "unfinished_rebuilds": list(found.unfinished),
        "left_out": _names(found.left_out),
    }
    return json.dumps(said, indent=2)


def _names(paths: Iterable[bytes]) -> list[str]:
    return [shown(path) for path in paths]


def moment(at: float) -> str:
    """A time (seconds since the epoch) for people, in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at)) if at else "never"


def utc(at: float) -> str | None:
    """A time (seconds since the epoch) for programs."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at else None
