"""Snapshots of this host's own past, from the history in its state folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from pacha.actions.here import Here
from pacha.actions.reconcile import FILE
from pacha.errors import PachaError, UsageError
from pacha.files.names import DATABASE
from pacha.store import database
from pacha.store.snapshot import Snapshot

_ID = re.compile(r"[0-9a-f]{4,40}\Z")


def at(here: Here, identifier: str) -> Snapshot:
    """The snapshot whose id (hex) begins with ``identifier``: at least four digits of it.

    Raises UsageError when there is none or more than one, PachaError when there is no history here.
    """
    from pacha.store import hg

    if not _ID.match(identifier):
        raise UsageError("That is no snapshot's id.", "at least four of the digits that 'pacha push' names")
    if not os.path.isdir(here.state.repository(DATABASE)):
        raise PachaError("There is no history here.", hint="Make a snapshot: pacha push")
    repository = hg.Repository.open(here.state.repository(DATABASE))
    nodes = [node for node in repository.revisions() if node.startswith(identifier)]
    if len(nodes) != 1:
        newest = ", ".join(node[:12] for node, _ in zip(repository.revisions(), range(5), strict=False))
        what = f"More than one snapshot begins with {identifier}." if nodes else f"There is no snapshot {identifier}."
        raise UsageError(what, f"the newest are {newest}")
    return _read(here, repository.reader(nodes[0])(FILE))


def _read(here: Here, image: bytes) -> Snapshot:
    with TemporaryDirectory(dir=here.state.path) as folder:
        path = Path(folder) / "pacha.db"
        path.write_bytes(image)  # in a folder that only its owner can enter
        return database.read_foreign(str(path))
