"""Resolve WHEN on the command line: a snapshot by its id or by a time. The clock is passed in. Pure.

A time means the newest snapshot that existed when it ended: a day ends at midnight, a minute with its last second.
Times are local unless they have a zone. A forged snapshot may have any time: where the times and the order of the
history disagree, a time means no snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pacha.errors import UsageError
from pacha.text import enumerated, escape, local_second

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
    """A snapshot: its node (40 hex digits) and its time (seconds since the epoch; None: unreadable)."""

    node: str
    at: float | None


def resolve(when: str, snapshots: Sequence[SnapshotRef], now: float) -> SnapshotRef:
    """The one of ``snapshots`` (newest first by the order of the history, not empty) that ``when`` means at ``now``.

    Raises UsageError, which names the nearest ones, where ``when`` is invalid, or means none or several.
    """
    when = " ".join(when.split())
    moments = _moments(when, now)
    if moments:
        return _one_of([_newest(when, moment, snapshots, now) for moment in moments], when)
    if not _ID.match(when):
        shown = escape(when[:80].encode("utf-8", "surrogateescape"))
        raise UsageError(
            f"'{shown}' is not a time in the past.",
            f"give {GRAMMAR}",
            f"Of the snapshots, {_known(snapshots)}.",
            code="invalid-revision",
        )
    matches = [snapshot for snapshot in snapshots if snapshot.node.startswith(when)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(
            f"More than one snapshot begins with {when}.",
            _listed(matches),
            "Name more of its digits.",
            code="revision-not-unique",
        )
    raise UsageError(
        f"There is no snapshot {when}.", _known(snapshots), "'pacha log' lists all of them.", code="no-such-snapshot"
    )


def before(when: str, snapshots: Sequence[SnapshotRef], now: float) -> list[SnapshotRef]:
    """Those of ``snapshots`` (newest first) from before the start of ``when``, a time, or before the one with that id.

    Raises UsageError as ``resolve``.
    """
    start = _begin(when, now)
    if start is None:
        return list(snapshots[snapshots.index(resolve(when, snapshots, now)) + 1 :])
    return [snapshot for snapshot in snapshots if snapshot.at is not None and snapshot.at < start]


def begin_of(when: str, now: float) -> float:
    """The first instant (seconds since the epoch) of the time ``when``: a day begins at midnight.

    Raises UsageError where it is not a time.
    """
    start = _begin(when, now)
    if start is None:
        raise UsageError(
            f"'{escape(when[:80].encode('utf-8', 'surrogateescape'))}' is not a time in the past.",
            "give '2026-11-01', '2026-11-01 04:00', '04:00', 'yesterday' or '3 days ago'",
            "Times are local unless they have a zone.",
            code="invalid-time",
        )
    return start


def _begin(when: str, now: float) -> float | None:
    """The first instant of the time ``when``; None where it is not a time."""
    when = " ".join(when.split())
    ends, match = _moments(when, now), _MOMENT.match(when)
    if not ends:
        return None
    if when == "yesterday" or (match and not match["clock"]):
        return (datetime.fromtimestamp(ends[0]) - timedelta(days=1)).timestamp()
    return ends[0] - (60 if match and not match["second"] else 1)


def _newest(when: str, moment: float, snapshots: Sequence[SnapshotRef], now: float) -> SnapshotRef:
    chosen = next((snapshot for snapshot in snapshots if snapshot.at is not None and snapshot.at < moment), None)
    if chosen is None:
        raise UsageError(
            f"There is no snapshot from before '{when}'.",
            f"the oldest is {_listed(snapshots[-1:])}",
            "'pacha log' lists all.",
            code="no-snapshot-so-old",
        )
    for older in snapshots[snapshots.index(chosen) + 1 :]:
        if older.at is not None and older.at <= now and (chosen.at or 0) < older.at:
            raise UsageError(
                f"What '{when}' means is not certain: the times of the snapshots are not in order.",
                f"{_listed([chosen])} came after {_listed([older])}",
                "A clock was wrong, or one is forged. Name a snapshot by its id: 'pacha log' lists all.",
                code="times-not-in-order",
            )
    return chosen


def _one_of(chosen: Sequence[SnapshotRef], when: str) -> SnapshotRef:
    """The snapshot that a local time means; in the hour that comes twice, both times must mean the same one."""
    if chosen[0] != chosen[-1]:
        raise UsageError(
            f"'{when}' comes twice: the clock was set back that day.",
            f"it is {_listed(chosen)}",
            "Add the zone, as 'pacha log' shows it, or name a snapshot by its id.",
            code="time-comes-twice",
        )
    return chosen[0]


def _known(snapshots: Sequence[SnapshotRef]) -> str:
    return f"the newest are {_listed(snapshots[:_NEAR])}"


def _listed(snapshots: Sequence[SnapshotRef]) -> str:
    times = ["damaged" if ref.at is None else local_second(ref.at) for ref in snapshots]
    return enumerated([f"{ref.node[:12]} ({time})" for ref, time in zip(snapshots, times, strict=True)], _NEAR)


def _moments(when: str, now: float) -> list[float]:
    """The end of the time ``when``: the first instant after it (seconds since the epoch). [] where it is not a time.

    There are two, the earlier one first, where the clock showed that time twice.
    """
    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if when == "yesterday":
        return [today.timestamp()]
    if ago := _AGO.match(when):
        # That second included: snapshots are dated in whole seconds.
        return [now - timedelta(**{f"{ago[2]}s": int(ago[1])}).total_seconds() + 1]
    match = _MOMENT.match(when)
    if not when or match is None or (match["zone"] and not match["day"]):
        return []
    try:
        return _ends(match, today, now)
    except (ValueError, OverflowError):
        return []


def _ends(match: re.Match[str], today: datetime, now: float) -> list[float]:
    day = datetime.fromisoformat(match["day"]) if match["day"] else today
    if not match["clock"]:
        return [(day + timedelta(days=1)).timestamp()]
    hour, minute = map(int, match["clock"].split(":"))
    second = int(match["second"][1:]) if match["second"] else None
    moment = day.replace(hour=hour, minute=minute, second=second or 0)
    if zone := match["zone"]:
        moment = datetime.strptime(moment.strftime("%Y-%m-%dT%H:%M:%S") + zone, "%Y-%m-%dT%H:%M:%S%z")
    elif not match["day"] and moment.timestamp() > now:
        moment -= timedelta(days=1)  # "23:00", asked at noon, was last night
    length = 60 if second is None else 1
    return [at + length for at in _instants(moment)]


def _instants(moment: datetime) -> list[float]:
    """The instants (seconds since the epoch) that a local time means: two where the clock showed it twice."""
    both = moment.timestamp(), moment.replace(fold=1).timestamp()
    # where a clock is set forward, two come out as well, of which the clock showed neither
    comes_twice = both[0] < both[1] and moment.tzinfo is None
    return list(both) if comes_twice else [both[0]]
