"""The content of a report on all hosts: the status of each, what its last month's snapshots touched, what drifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pacha.errors import UsageError
from pacha.fleet.changes import HostSnapshot, of_chosen
from pacha.fleet.drift import Drift, drift_at
from pacha.fleet.update import Fleet
from pacha.server.hosts import HostStatus

MOST_PATHS = 200  #: paths of a snapshot that are named
DAYS = 30  #: days that a report looks back
_DAY = 86400.0  # seconds
_LONGEST_NAME = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class DayActivity:
    """A day (24 hours; the last one ends with the report): how many snapshots, and how many paths they touched."""

    snapshots: int
    touched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """A host: its status, what it watches, its ``days``, oldest first, and its snapshots in them, newest first.

    ``fault``: why its history cannot be read ("" if it can); its snapshots are then those that were read before.
    """

    status: HostStatus
    watched: tuple[bytes, ...]
    days: tuple[DayActivity, ...]
    snapshots: tuple[HostSnapshot, ...]
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What differs at or below ``path``: drifts with several groups, or a single one if all hosts have the same."""

    path: bytes
    drifts: tuple[Drift, ...]

    @property
    def differing(self) -> int:
        """How many paths differ."""
        return sum(len(drift.groups) > 1 for drift in self.drifts)

    @property
    def hosts_apart(self) -> int:
        """How many hosts differ from the largest group at one path or more."""
        return len({host for drift in self.drifts for group in drift.groups[1:] for host in group.hosts})


def host_reports(fleet: Fleet, statuses: Sequence[HostStatus], now: float) -> Iterator[HostReport]:
    """Yield each of ``statuses`` with what the index knows of the host. ``now``: seconds since the epoch."""
    indexed = {host.name: host for host in fleet.hosts}
    for status in statuses:
        host = indexed.get(status.host)
        if host is None:
            yield HostReport(status=status, watched=(), days=days((), now), snapshots=(), fault="it is new")
            continue
        fleet.index.choose([host])
        recent = tuple(map(_shortened, of_chosen(fleet, now - DAYS * _DAY, now, most=MOST_PATHS)))[::-1]
        watched = tuple(root.path for root in fleet.index.watched(host.id))
        yield HostReport(status=status, watched=watched, days=days(recent, now), snapshots=recent, fault=host.fault)


def _shortened(snapshot: HostSnapshot) -> HostSnapshot:
    """Return ``snapshot`` with names that a person can read: a host may forge longer ones."""
    if snapshot.touched is None or all(len(name) <= _LONGEST_NAME for _, name in snapshot.touched):
        return snapshot
    return replace(snapshot, touched=tuple((letter, name[:_LONGEST_NAME]) for letter, name in snapshot.touched))


def days(snapshots: Sequence[HostSnapshot], now: float) -> tuple[DayActivity, ...]:
    """Return the last days, oldest first, with what these snapshots touched; a time after ``now`` counts as today."""
    counts, touched = [0] * DAYS, [0] * DAYS
    for snapshot in snapshots:
        ago = max(0, int((now - snapshot.at) // _DAY))
        if ago < DAYS:
            counts[DAYS - 1 - ago] += 1
            touched[DAYS - 1 - ago] += sum(snapshot.counts.values())
    return tuple(DayActivity(snapshots=n, touched=t) for n, t in zip(counts, touched, strict=True))


def drift_reports(fleet: Fleet, paths: Sequence[bytes], ignore: Sequence[str]) -> list[DriftReport]:
    """Return what differs at or below each of ``paths``, once each; nothing where no host has it. Raises PachaError."""
    return [DriftReport(path=path, drifts=tuple(_drifts(fleet, path, ignore))) for path in dict.fromkeys(paths)]


def _drifts(fleet: Fleet, path: bytes, ignore: Sequence[str]) -> list[Drift]:
    try:
        return drift_at(fleet, path, ignore=ignore)
    except UsageError as error:
        if error.code != "path-on-no-host":
            raise
        return []
