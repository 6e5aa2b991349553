"""The state of this host: for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pacha.text import escape
from pacha.ui.console import folded
from pacha.ui.times import moment, utc

if TYPE_CHECKING:
    from pacha.host.status import MasterStatus, Status


def status_text(found: Status) -> str:
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
        ("to fix it", found.cure if found.failure else ""),
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
    return "\n".join(folded(f"{name + ':':<13} ", text) for name, text in lines if text)


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
