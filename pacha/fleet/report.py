"""What a report tells of all hosts: how each stands, what its snapshots of the last month touched, what drifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pacha.errors import UsageError
from pacha.fleet.changes import HostSnapshot, of_chosen
from pacha.fleet.drift import Drift, drift_at
from pacha.fleet.update import Fleet
from pacha.server.hosts import HostStatus

MOST_PATHS = 200  #: of a snapshot that are named
DAYS = 30  #: that a report looks back
_DAY = 86400.0  # seconds
_LONGEST_NAME = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class DayActivity:
    """A day (24 hours that end with the report, or a day or more before): how many snapshots, of how many paths."""

    snapshots: int
    touched: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """A host: how it stands, what it watches, its ``days``, oldest first, and its snapshots in them, newest first.

    ``fault``: why its history cannot be read, "" for no fault; its snapshots are then those that were read before.
    """

    status: HostStatus
    watched: tuple[bytes, ...]
    days: tuple[DayActivity, ...]
    snapshots: tuple[HostSnapshot, ...]
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What differs at or below ``path``; ``drifts`` has more than one group each, or is what all hosts have there."""

    path: bytes
    drifts: tuple[Drift, ...]

    @property
    def differing(self) -> int:
        """How many paths differ."""
        return sum(len(drift.groups) > 1 for drift in self.drifts)

    @property
    def hosts_apart(self) -> int:
        """How many hosts have something else than the largest group, at one path at least."""
        return len({host for drift in self.drifts for group in drift.groups[1:] for host in group.hosts})


def host_reports(fleet: Fleet, statuses: Sequence[HostStatus], now: float) -> Iterator[HostReport]:
    """Each of ``statuses`` with what the index knows of the host, one after the other."""
    indexed = {host.name: host for host in fleet.hosts}
    for status in statuses:
        host = indexed.get(status.host)
        if host is None:
            yield HostReport(status=status, watched=(), days=days((), now), snapshots=(), fault="it is new")
            continue
        fleet.index.choose([host])
        found = tuple(map(_shortened, of_chosen(fleet, now - DAYS * _DAY, now, most=MOST_PATHS)))[::-1]
        watched = tuple(root.path for root in fleet.index.watched(host.id))
        yield HostReport(status=status, watched=watched, days=days(found, now), snapshots=found, fault=host.fault)


def _shortened(snapshot: HostSnapshot) -> HostSnapshot:
    """``snapshot`` with names of a length that a person can read: a host may forge longer ones."""
    if snapshot.touched is None or all(len(name) <= _LONGEST_NAME for _, name in snapshot.touched):
        return snapshot
    return replace(snapshot, touched=tuple((letter, name[:_LONGEST_NAME]) for letter, name in snapshot.touched))


def days(snapshots: Sequence[HostSnapshot], now: float) -> tuple[DayActivity, ...]:
    """The last days, oldest first, with what these snapshots touched; a time ahead of ``now`` counts as today."""
    counts, touched = [0] * DAYS, [0] * DAYS
    for snapshot in snapshots:
        ago = max(0, int((now - snapshot.at) // _DAY))
        if ago < DAYS:
            counts[DAYS - 1 - ago] += 1
            touched[DAYS - 1 - ago] += sum(snapshot.counts.values())
    return tuple(DayActivity(snapshots=n, touched=t) for n, t in zip(counts, touched, strict=True))


def drift_reports(fleet: Fleet, paths: Sequence[bytes], ignore: Sequence[str]) -> list[DriftReport]:
    """What differs at or below each of ``paths``, once each; nothing where no host has it. Raises PachaError."""
    return [DriftReport(path=path, drifts=tuple(_drifts(fleet, path, ignore))) for path in dict.fromkeys(paths)]


def _drifts(fleet: Fleet, path: bytes, ignore: Sequence[str]) -> list[Drift]:
    try:
        return drift_at(fleet, path, ignore=ignore)
    except UsageError as error:
        if error.code != "path-on-no-host":
            raise
        return []
