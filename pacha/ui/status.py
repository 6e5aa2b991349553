"""The state of this host: for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pacha.host.orphans import words
from pacha.text import escape
from pacha.ui.console import folded, styled
from pacha.ui.times import moment, utc

if TYPE_CHECKING:
    from pacha.host.status import MasterStatus, Status
    from pacha.store.host_state import Orphans

_SHOWN = 20  #: missing accounts


def status_text(status: Status) -> str:
    """The state of this host, for people: lines."""
    lines = [
        ("host", f"{status.host} (machine {status.machine or 'without a number yet'})"),
        ("watched", f"{status.watched} path{'' if status.watched == 1 else 's'}, every {status.frequency:g} hours"),
        ("schedule", ", ".join(status.schedule) or "none of ours: pacha schedule install"),
        ("", f"but nothing runs it: {status.idle.words}" if status.idle else ""),
        (
            "last success",
            moment(status.succeeded) + (", which is too long ago" if status.overdue and status.succeeded else ""),
        ),
        ("last try", moment(status.tried)),
        ("failed", status.failure),
        ("to fix it", status.cure if status.failure else ""),
        ("at work now", status.running),
        ("next due", moment(status.next_due) if status.next_due else "now"),
        *((f"on {master.name}", _master(master, status.failure)) for master in status.masters),
        *(("to look at", f"{escape(concern.path)}: {concern.reason}") for concern in status.concerns),
        *(("kept", f"{words(orphans)} ({escape(orphans.paths[0])})") for orphans in status.orphans[:_SHOWN]),
        ("kept", f"... and of {len(status.orphans) - _SHOWN} accounts more" if len(status.orphans) > _SHOWN else ""),
        *(("owed", f"{escape(path)} (not restored by the last rebuild)") for path in status.owed),
        *(("owed", f"{escape(name)} (failed after the files of the last rebuild)") for name in status.services_owed),
        *(
            ("unfinished", f"the rebuild {identifier}: run it again, or 'pacha undo'")
            for identifier in status.unfinished
        ),
        *(("left out", f"{escape(path)} ({what})") for path, what in status.left_out.items()),
    ]
    colours = _colours(status)
    shown = [(name, folded(f"{name and name + ':':<13} ", text)) for name, text in lines if text]
    return "\n".join(styled(text, colours.get(name)) for name, text in shown)


def _colours(status: Status) -> dict[str, str]:
    """By the name of a line: red for what failed, yellow for what needs a look."""
    colours = {"failed": "red", **dict.fromkeys(["", "to look at", "kept", "owed", "unfinished"], "yellow")}
    if status.overdue and status.succeeded:
        colours["last success"] = "yellow"
    for master in status.masters:
        if _own_failure(master, status.failure):
            colours[f"on {master.name}"] = "red"
        elif master.unsent:
            colours[f"on {master.name}"] = "yellow"
    return colours


def _own_failure(master: MasterStatus, host_failure: str) -> str:
    """Why the push to ``master`` failed, "" where the host's line says that."""
    return master.failure if master.failure != host_failure else ""


def _master(master: MasterStatus, host_failure: str) -> str:
    if master.unsent:
        state = (
            f"{master.unsent} snapshot{'s'[: master.unsent != 1]} not sent yet, up to date {moment(master.succeeded)}"
        )
    else:
        state = "up to date" if master.current or master.succeeded else "nothing sent yet"
        state += f", {moment(master.succeeded)}" if master.succeeded else ""
    failure = _own_failure(master, host_failure)
    return f"{state}; failed: {failure}" if failure else state


def status_json(status: Status) -> str:
    """The same for programs: one JSON object; times in UTC, null for never."""
    fields: dict[str, Any] = {
        "host": status.host,
        "machine": status.machine,
        "fine": status.fine,
        "frequency": status.frequency,
        "watched": status.watched,
        "schedule": list(status.schedule),
        "schedule_idle": status.idle.why if status.idle else None,
        "last_success": utc(status.succeeded),
        "last_try": utc(status.tried),
        "failure": status.failure or None,
        "cure": status.cure or None,
        "running": status.running or None,
        "next_due": utc(status.next_due),
        "overdue": status.overdue,
        "snapshot": status.tip or None,
        "masters": [_master_json(master) for master in status.masters],
        "to_look_at": [{"path": escape(concern.path), "reason": concern.reason} for concern in status.concerns],
        "owed": _names(status.owed),
        "services_owed": list(map(escape, status.services_owed)),
        "orphans": [_orphans_json(orphans) for orphans in status.orphans],
        "unfinished_rebuilds": list(status.unfinished),
        "left_out": _names(status.left_out),
    }
    return json.dumps(fields, indent=2)


def _master_json(master: MasterStatus) -> dict[str, Any]:
    return {
        "name": master.name,
        "last_success": utc(master.succeeded),
        "last_try": utc(master.tried),
        "failure": master.failure or None,
        "unsent": master.unsent,
    }


def _orphans_json(orphans: Orphans) -> dict[str, Any]:
    return {
        "account": escape(orphans.name),
        "kind": "group" if orphans.is_group else "user",
        "number": orphans.number,
        "count": orphans.count,
        "paths": _names(orphans.paths),
    }


def _names(paths: Iterable[bytes]) -> list[str]:
    return [escape(path) for path in paths]
