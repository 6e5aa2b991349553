"""Select a snapshot in a fetched ``db``, mostly the newest, and read its pacha.db."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pacha.errors import DamagedError, PurgedError
from pacha.files.names import PACHA_DB
from pacha.store import companions, hg, statement
from pacha.store.consistency import foreign_database
from pacha.store.history import list_snapshots
from pacha.store.revision import Note
from pacha.store.revspec import resolve
from pacha.system.atomic import write_private


@dataclass(frozen=True, slots=True)
class SelectedSnapshot:
    """A snapshot's node in ``db``; ``newest``: it is the newest one."""

    node: str
    newest: bool


@dataclass(frozen=True, slots=True)
class FetchedDatabase:
    """A fetched ``db``: its path here, its path on the master (for messages), the host."""

    path: str
    original: str
    host: str


def find(source: FetchedDatabase, when: str) -> SelectedSnapshot:
    """The newest snapshot in ``source``, or that of ``when``.

    Raises UsageError for a missing one, DamagedError.
    """
    repository = hg.Repository.open(source.path, original=source.original)
    newest = next(repository.revisions(), "")
    if not newest:
        raise DamagedError(
            f"The master's history of '{source.host}' is empty.",
            "its db has no revision",
            "Has it ever pushed?",
            code="history-empty",
        )
    node = resolve(when, list_snapshots(repository), time.time()).node if when else newest
    return SelectedSnapshot(node, node == newest)


def read_companions(source: FetchedDatabase, tip: str, recorded: Mapping[str, str]) -> dict[str, bytes]:
    """The texts beside the pacha.db of the snapshot ``tip``, whose meta is ``recorded``, by name.

    Raises DamagedError.
    """
    reader = hg.Repository.open(source.path, original=source.original).reader(tip)
    texts = {name: companions.read(name, recorded, reader) for name in companions.NAMES}
    return {name: text for name, text in texts.items() if text is not None}


def read_signed(source: FetchedDatabase, tip: str) -> tuple[bytes, bytes]:
    """The statement of the snapshot ``tip`` and its signature, b"" for what it does not have. Raises DamagedError."""
    return statement.read(hg.Repository.open(source.path, original=source.original).reader(tip))


def write(source: FetchedDatabase, tip: str, target: str) -> Note:
    """Write the pacha.db of the snapshot ``tip`` to the file ``target``. Returns the snapshot's note.

    Raises DamagedError.
    """
    repository = hg.Repository.open(source.path, original=source.original)
    try:
        data = repository.reader(tip)(PACHA_DB) if PACHA_DB in repository.names(tip) else None
        note = repository.note(tip)
    except (DamagedError, PurgedError) as error:  # nothing is purged of db
        raise DamagedError(
            f"The snapshot {tip[:12]} of '{source.host}' cannot be read.",
            error.in_a_line,
            error.hint,
            subject=f"{tip} {error.code} {error.subject}",
            code="snapshot-unreadable",
        ) from None
    if data is None:
        raise foreign_database(f"its revision {tip[:12]} has no pacha.db")
    write_private(target, data)
    return note
