"""The snapshots of this host, read from the history in its state folder."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pacha.errors import DamagedError, PachaError
from pacha.files.entry import Entry
from pacha.files.names import DATABASE, PACHA_DB
from pacha.store import hg, untrusted_db
from pacha.store.revspec import SnapshotRef, resolve
from pacha.store.rows import Row
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder
from pacha.system.presence import is_absent


def own_snapshots(state: StateFolder) -> list[SnapshotRef]:
    """Every snapshot in the state folder, newest first; [] before the first push."""
    path = state.repository(DATABASE)
    if is_absent(path):
        return []
    return list_snapshots(hg.Repository.open(path, heal=False))


def list_snapshots(repository: hg.Repository) -> list[SnapshotRef]:
    """Every snapshot of a ``db``, newest first, the unreadable ones included."""
    snapshots = []
    for node in repository.revisions():
        made = None
        with suppress(DamagedError):
            made = repository.note(node).at
        snapshots.append(SnapshotRef(node, made))
    return snapshots


def read(state: StateFolder, node: str) -> Snapshot:
    """The snapshot ``node`` of the state folder. Raises DamagedError."""
    return parse(hg.Repository.open(state.repository(DATABASE), heal=False).reader(node)(PACHA_DB), state.scratch)


def at(state: StateFolder, when: str) -> Snapshot:
    """The snapshot that ``when`` means.

    Raises UsageError where it means none or several, PachaError where the state folder has no history.
    """
    snapshots = own_snapshots(state)
    if not snapshots:
        raise PachaError("There is no history here.", hint="Make a snapshot: pacha push", code="no-history")
    return read(state, resolve(when, snapshots, time.time()).node)


def parse(image: bytes, folder: Path, known: dict[Row, Entry] | None = None, *, whole: bool = True) -> Snapshot:
    """The snapshot in the bytes of a pacha.db, read from a temporary file in ``folder``. Raises DamagedError.

    ``known`` and ``whole`` as in ``untrusted_db.read``.
    """
    with TemporaryDirectory(dir=folder) as private:
        path = Path(private) / "pacha.db"
        path.write_bytes(image)  # only its owner can enter the temporary directory
        return untrusted_db.read(str(path), known, whole=whole)
