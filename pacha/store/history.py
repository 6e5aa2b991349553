"""The snapshots of this host, from the history in its state folder."""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pacha.errors import DamagedError, PachaError
from pacha.files.metadata import Entry
from pacha.files.names import DATABASE, PACHA_DB
from pacha.store import database, hg
from pacha.store.revspec import SnapshotRef, resolve
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder


def own_snapshots(state: StateFolder) -> list[SnapshotRef]:
    """Every snapshot in the state folder, newest first; none before the first push."""
    path = state.repository(DATABASE)
    if not os.path.isdir(path):
        return []
    return list_snapshots(hg.Repository.open(path, heal=False))


def list_snapshots(repository: hg.Repository) -> list[SnapshotRef]:
    """Every snapshot of a ``db``, newest first: one that cannot be read any more hides none of the others."""
    return [SnapshotRef(node, _when_made(repository, node)) for node in repository.revisions()]


def _when_made(repository: hg.Repository, node: str) -> float | None:
    try:
        return repository.note(node).at
    except DamagedError:
        return None


def read(state: StateFolder, node: str) -> Snapshot:
    """The snapshot ``node`` of the state folder. Raises DamagedError."""
    return parse(hg.Repository.open(state.repository(DATABASE), heal=False).reader(node)(PACHA_DB), state.path)


def at(state: StateFolder, when: str) -> Snapshot:
    """The snapshot that ``when`` means.

    Raises UsageError when it means none or several, PachaError when there is no history here.
    """
    every = own_snapshots(state)
    if not every:
        raise PachaError("There is no history here.", hint="Make a snapshot: pacha push", code="no-history")
    return read(state, resolve(when, every, time.time()).node)


def parse(image: bytes, folder: Path, known: dict[database.Row, Entry] | None = None) -> Snapshot:
    """The snapshot in a pacha.db as bytes; ``folder`` is where it may lie for a moment. Raises DamagedError.

    ``known`` are the rows of snapshots that were read before, and is filled.
    """
    with TemporaryDirectory(dir=folder) as private:
        path = Path(private) / "pacha.db"
        path.write_bytes(image)  # in a folder that only its owner can enter
        return database.read_foreign(str(path), known)
