"""Resolve WHEN on the command line: a snapshot by its id or by a time. The clock is passed in. Pure.

A moment stands for the newest snapshot that was there when it ended: a day ends at midnight, a minute with its
last second. Times are local unless they carry a zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pacha.errors import UsageError
from pacha.text import escape, local_second

GRAMMAR = "a snapshot's id, '2026-11-01', '2026-11-01 04:00', '04:00', 'yesterday' or '3 days ago'"
_ID = re.compile(r"[0-9a-f]{4,40}\Z")
_MOMENT = re.compile(
    r"(?:(?P<day>\d{4}-\d\d-\d\d)(?:[ T](?=\d)|\Z))?"
    r"(?:(?P<clock>\d\d:\d\d)(?P<second>:\d\d)?\s*(?P<zone>Z|[+-]\d\d:?\d\d)?)?\Z"
)
_AGO = re.compile(r"(\d{1,6}) (second|minute|hour|day|week)s? ago\Z")
_NEAR = 3


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    """A snapshot: its node (40 hex digits) and when it was made (seconds since the epoch; None: not to be read)."""

    node: str
    at: float | None


def resolve(when: str, made: Sequence[SnapshotRef], now: float) -> SnapshotRef:
    """The one of the snapshots ``made`` (newest first, not none) that ``when`` means at the time ``now``.

    Raises UsageError naming those nearest to it when ``when`` is not understood, or means none or several.
    """
    when = " ".join(when.split())
    moment = _moment(when, now)
    if moment is not None:
        return _newest(when, moment, made)
    if not _ID.match(when):
        said = escape(when[:80].encode("utf-8", "surrogateescape"))
        raise UsageError(
            f"'{said}' is not a time in the past.",
            f"it is {GRAMMAR}",
            f"There: {_known(made)}.",
            code="invalid-revision",
        )
    found = [one for one in made if one.node.startswith(when)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"More than one snapshot begins with {when}.",
            _listed(found),
            "Name more of its digits.",
            code="revision-not-unique",
        )
    raise UsageError(
        f"There is no snapshot {when}.", _known(made), "'pacha log' lists all of them.", code="no-such-snapshot"
    )


def local(at: float) -> str:
    """``at`` (seconds since the epoch) as WHEN takes it: local time, to the second."""
    return local_second(at)


def _newest(when: str, moment: float, made: Sequence[SnapshotRef]) -> SnapshotRef:
    for one in made:
        if one.at is not None and one.at < moment:
            return one
    raise UsageError(
        f"There is no snapshot from before '{when}'.",
        f"the oldest is {_listed(made[-1:])}",
        "'pacha log' lists all.",
        code="no-snapshot-so-old",
    )


def _known(made: Sequence[SnapshotRef]) -> str:
    return f"the newest are {_listed(made[:_NEAR])}"


def _listed(made: Sequence[SnapshotRef]) -> str:
    few = ", ".join(f"{one.node[:12]} ({_dated(one)})" for one in made[:_NEAR])
    return few + (f" and {len(made) - _NEAR} more" if len(made) > _NEAR else "")


def _dated(one: SnapshotRef) -> str:
    return "damaged" if one.at is None else local(one.at)


def _moment(when: str, now: float) -> float | None:
    """The first instant after what ``when`` names, in seconds since the epoch; None when it names no moment."""
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if when == "yesterday":
        return today.timestamp()
    if ago := _AGO.match(when):
        # Up to and with that second: dates of snapshots are whole ones.
        return now - timedelta(**{f"{ago[2]}s": int(ago[1])}).total_seconds() + 1
    found = _MOMENT.match(when)
    if not when or found is None or (found["zone"] and not found["day"]):
        return None
    try:
        return _end(found, today, now)
    except (ValueError, OverflowError):
        return None


def _end(found: re.Match[str], today: datetime, now: float) -> float:
    day = datetime.fromisoformat(found["day"]) if found["day"] else today
    if not found["clock"]:
        return (day + timedelta(days=1)).timestamp()
    hour, minute = map(int, found["clock"].split(":"))
    second = int(found["second"][1:]) if found["second"] else None
    moment = day.replace(hour=hour, minute=minute, second=second or 0)
    if zone := found["zone"]:
        moment = datetime.strptime(moment.strftime("%Y-%m-%dT%H:%M:%S") + zone, "%Y-%m-%dT%H:%M:%S%z")
    elif not found["day"] and moment.timestamp() > now:
        moment -= timedelta(days=1)  # "23:00" said at noon is last night's
    return moment.timestamp() + (60 if second is None else 1)
