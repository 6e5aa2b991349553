"""Compare this host's disk with a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from pacha.errors import Concern, PachaError
from pacha.files import entry_changes, keyed, scan
from pacha.files.entry_changes import Aspect
from pacha.files.name_service import known_names
from pacha.files.owners import Accounts
from pacha.files.scanned import Scan
from pacha.host import watch
from pacha.host.context import Context
from pacha.sealing.keys import secrets_in
from pacha.store import database, history
from pacha.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Verified:
    """The number of ``paths`` in the snapshot, and those that differ on disk or could not be read."""

    paths: int
    differences: tuple[Concern, ...]


def verify(context: Context, at: str = "") -> Verified:
    """Compare every watched path with the last snapshot, or with ``at`` (an id), content and metadata.

    Changes nothing. Raises PachaError before the first snapshot, UsageError for an invalid id, LockedError while a push
    or a rebuild is at work.
    """
    with context.state.locked(wait_seconds=10, only_looks=True):
        snapshot = history.at(context.state, at) if at else database.read(context.state.database)
    if not snapshot.entries:
        raise PachaError(
            "There is no snapshot to compare with.", hint="Make one: pacha push", code="nothing-to-compare"
        )
    # Without fingerprints, every file is read.
    names = known_names(Accounts.of_machine(), snapshot.accounts)
    mounted = context.state.read().mounted
    targets, keys = watch.scan_targets(snapshot.watched), secrets_in(context.state.path)
    result = scan.scan(targets, snapshot.entries, {}, names.accounts, mounted, keys=keys)
    return Verified(len(snapshot.entries), (*result.concerns, *_differences(snapshot, result)))


def _differences(snapshot: Snapshot, result: Scan) -> list[Concern]:
    differences = []
    for path in sorted(snapshot.entries.keys() | result.entries.keys()):
        old, new = snapshot.entries.get(path), result.entries.get(path)
        if old is None or new is None:
            differences.append(Concern(path, "is new" if old is None else "is gone"))
            continue
        is_sealed = old.sealed is not None  # with its attributes: their digest is the content's
        compared = new._replace(xattrs=keyed.clear(new.xattrs)) if is_sealed else new
        if changes := entry_changes.differences(old, compared):
            sealed = Aspect.CONTENT if is_sealed else None
            words = [f"sealed {change}" if change.aspect is sealed else str(change) for change in changes]
            differences.append(Concern(path, ", ".join(words)))
    return differences
