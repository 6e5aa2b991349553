"""Compare this host's disk with a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from pacha.errors import Concern, PachaError
from pacha.files import metadata, scan
from pacha.files.owners import Accounts
from pacha.host import watch
from pacha.host.context import Context
from pacha.store import database, history
from pacha.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Verified:
    """How many ``paths`` the snapshot has, and what differs on disk, or could not be read, by path."""

    paths: int
    differences: tuple[Concern, ...]


def verify(context: Context, at: str = "") -> Verified:
    """Compare every watched path with the last snapshot, or with ``at`` (an id), content and metadata.

    Changes nothing. Raises PachaError when there is no snapshot yet, UsageError for an id that is none,
    LockedError while a push or a rebuild is at work.
    """
    with context.state.locked(wait_seconds=10):
        snapshot = history.at(context.state, at) if at else database.read(context.state.database)
    if not snapshot.entries:
        raise PachaError(
            "There is no snapshot to compare with.", hint="Make one: pacha push", code="nothing-to-compare"
        )
    # Nothing is remembered of any path, so that every file is read.
    found = scan.scan(watch.scan_targets(snapshot.watched), snapshot.entries, {}, Accounts.of_machine())
    return Verified(len(snapshot.entries), (*found.concerns, *_differences(snapshot, found)))


def _differences(snapshot: Snapshot, found: scan.Scan) -> list[Concern]:
    differences = []
    for path in sorted(snapshot.entries.keys() | found.entries.keys()):
        old, new = snapshot.entries.get(path), found.entries.get(path)
        if old is None or new is None:
            differences.append(Concern(path, "is new" if old is None else "is gone"))
        elif changes := metadata.differences(old, new):
            differences.append(Concern(path, ", ".join(map(str, changes))))
    return differences
