"""The index over all hosts of a master: what each has at which path. ``index_file`` has its tables and its place.

It contains nothing that is not in the hosts' ``db``. This module has the SQL of each change and each query.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pacha.files.paths import prefix
from pacha.fleet.collect import HostRecord, SnapshotRow, entry_row, package_row
from pacha.store.snapshot import Watched

_MOST_KNOWN = 100_000  #: lines whose ids are kept in memory: most hosts have most lines in common
_SWEEP = 100_000  #: replaced rows after which paths and states without an entry are removed
_CHOSEN = "CREATE TEMP TABLE IF NOT EXISTS chosen (host INTEGER PRIMARY KEY)"
_STATE = "kind, mode, owner, grp, size, content, stored, parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedHost:
    """A host in the index. ``mark`` identifies the state of its ``db`` when it was read.

    ``tip``, ``number``: its newest snapshot; ``fault``: why it could not be read (safe to print), "" if it could.
    """

    id: int
    name: str
    mark: str
    tip: str
    number: int
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathState:
    """What is at a path, as in ``Entry``. ``owner`` and ``group`` are names, or ``#`` and a number where there is none.

    ``content``: the SHA-256 of a file or SEALED, the target of a link, the number of a device.
    """

    kind: str
    mode: int
    owner: bytes
    group: bytes
    size: int
    content: bytes
    stored: bytes
    parts: int


class Index:
    """The index in an open database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, bytes], tuple[int, ...]] = {}  #: the ids for a line, by (kind, line)
        connection.execute(_CHOSEN)

    def hosts(self) -> list[IndexedHost]:
        """Return all hosts, sorted by name."""
        columns = self._connection.execute("SELECT id, name, mark, tip, number, fault FROM host ORDER BY name")
        names = ("id", "name", "mark", "tip", "number", "fault")
        return [IndexedHost(**dict(zip(names, row, strict=True))) for row in columns]

    def replace(self, name: str, mark: str, record: HostRecord) -> None:
        """Replace what is known of a host by ``record``. Raises ValueError where the record is invalid."""
        with self._transaction():
            host = self._cleared(name, keep_snapshots=record.known)
            newest = (mark, record.tip, max((row.number for row in record.snapshots), default=record.known - 1), host)
            self._connection.execute("UPDATE host SET mark = ?, tip = ?, number = ?, fault = '' WHERE id = ?", newest)
            self._add_entries(host, record)
            self._add_watched(host, record.watched)
            self._add_packages(host, record)
            self._connection.executemany(
                "INSERT INTO snapshot (host, number, node, at, user, message, changes) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_snapshot_values(host, row) for row in record.snapshots),
            )

    def spoil(self, name: str, mark: str, fault: str) -> None:
        """Forget everything about a host but its snapshots, and record why it cannot be read."""
        with self._transaction():
            host = self._cleared(name, keep_snapshots=None)
            self._connection.execute("UPDATE host SET mark = ?, fault = ? WHERE id = ?", (mark, fault, host))

    def remove(self, name: str) -> None:
        """Forget a host."""
        with self._transaction():
            host = self._cleared(name, keep_snapshots=0)
            self._connection.execute("DELETE FROM host WHERE id = ?", (host,))

    def sweep(self) -> None:
        """Remove paths, states and packages that no host has any more, if many entries were replaced."""
        if self._connection.execute("SELECT rows FROM replaced").fetchone()[0] < _SWEEP:
            return
        self._known.clear()
        with self._transaction():
            for table in ("path", "state"):
                unused = f"DELETE FROM {table} WHERE id NOT IN (SELECT {table} FROM entry)"  # noqa: S608
                self._connection.execute(unused)
            self._connection.execute("DELETE FROM package WHERE id NOT IN (SELECT package FROM installed)")
            self._connection.execute("UPDATE replaced SET rows = 0")

    # -- queries

    def choose(self, hosts: Iterable[IndexedHost]) -> None:
        """Let later queries concern only these hosts."""
        self._connection.execute("DELETE FROM chosen")
        self._connection.executemany("INSERT INTO chosen VALUES (?)", [(host.id,) for host in hosts])

    def paths(self, folder: bytes = b"/") -> Iterator[tuple[int, bytes]]:
        """Yield the ids and names of the paths at or below ``folder`` that any host has or had, sorted."""
        below = prefix(folder)
        query = "SELECT id, path FROM path WHERE path = ? OR (path > ? AND path < ?) ORDER BY path"
        yield from self._connection.execute(query, (folder, below, below[:-1] + b"0"))

    def entries(self, path: int) -> list[tuple[int, int]]:
        """Return the ids of the chosen hosts that have a ``path`` (an id), each with the id of the state there."""
        query = "SELECT entry.host, state FROM chosen CROSS JOIN entry ON entry.host = chosen.host AND path = ?"
        return self._connection.execute(query, (path,)).fetchall()

    def state(self, number: int) -> PathState:
        """Return the state with the id ``number``."""
        cursor = self._connection.execute(f"SELECT {_STATE} FROM state WHERE id = ?", (number,))  # noqa: S608
        kind, mode, owner, group, size, content, stored, parts = cursor.fetchone()
        return PathState(
            kind=kind, mode=mode, owner=owner, group=group, size=size, content=content, stored=stored, parts=parts
        )

    def watched(self, host: int) -> tuple[Watched, ...]:
        """Return what the newest snapshot of a host (an id) watches."""
        query = "SELECT path, single, repository, node, exclude FROM watched WHERE host = ? ORDER BY path"
        return tuple(
            Watched(
                path=path, single=bool(single), repository=repository, node=node, exclude=tuple(json.loads(exclude))
            )
            for path, single, repository, node, exclude in self._connection.execute(query, (host,))
        )

    def snapshots(self, since: float) -> Iterator[tuple[int, SnapshotRow]]:
        """Yield host (an id) and snapshot for the chosen hosts since ``since``, by their clocks, oldest first."""
        query = (
            "SELECT host, number, node, at, user, message, changes FROM snapshot "
            "WHERE at >= ? AND host IN (SELECT host FROM chosen) ORDER BY at, host, number"
        )
        for host, number, node, at, user, text, packed in self._connection.execute(query, (since,)):
            changes = None if packed is None else zlib.decompress(packed)
            yield host, SnapshotRow(number=number, node=node, at=at, user=user, message=text, changes=changes)

    def packages(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield name, architecture, version and host (an id) for the packages of the chosen hosts, by name."""
        query = (
            "SELECT name, architecture, version, host FROM package JOIN installed ON package = package.id "
            "WHERE host IN (SELECT host FROM chosen) ORDER BY name, architecture, version"
        )
        yield from self._connection.execute(query)

    # -- changes

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException as error:
            self._known.clear()  # it may have ids of rows that are rolled back
            self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.IntegrityError):
                raise ValueError("it has something twice") from None
            raise
        self._connection.execute("COMMIT")

    def _cleared(self, name: str, keep_snapshots: int | None) -> int:
        """Return the id of a host, after removing everything but its first ``keep_snapshots`` snapshots (None: all)."""
        insert = "INSERT OR IGNORE INTO host (name, mark, tip, number, fault) VALUES (?, '', '', -1, '')"
        self._connection.execute(insert, (name,))
        host: int = self._connection.execute("SELECT id FROM host WHERE name = ?", (name,)).fetchone()[0]
        removed = self._connection.execute("DELETE FROM entry WHERE host = ?", (host,)).rowcount
        self._connection.execute("UPDATE replaced SET rows = rows + ?", (removed,))
        for table in ("watched", "installed"):
            self._connection.execute(f"DELETE FROM {table} WHERE host = ?", (host,))  # noqa: S608
        if keep_snapshots is not None:
            self._connection.execute("DELETE FROM snapshot WHERE host = ? AND number >= ?", (host, keep_snapshots))
        return host

    def _add_entries(self, host: int, record: HostRecord) -> None:
        rows = ((host, *self._ids("entry", line, self._entry_ids)) for line in record.entries)
        self._connection.executemany("INSERT INTO entry VALUES (?, ?, ?)", rows)

    def _ids(self, kind: str, line: bytes, find: Callable[[bytes], tuple[int, ...]]) -> tuple[int, ...]:
        """Return the ids of the rows for a ``line`` of a record; ``find`` finds or adds them."""
        ids = self._known.get((kind, line))
        if ids is None:
            ids = find(line)
            if len(self._known) < _MOST_KNOWN:
                self._known[kind, line] = ids
        return ids

    def _entry_ids(self, line: bytes) -> tuple[int, int]:
        path, *state = entry_row(line)
        return self._id("path", "path", (path,)), self._id("state", _STATE, state)

    def _package_ids(self, line: bytes) -> tuple[int]:
        return (self._id("package", "name, architecture, version", package_row(line)),)

    def _id(self, table: str, columns: str, values: Sequence[Any]) -> int:
        """Return the id of a row in ``table``, which is added if it is missing."""
        condition = " AND ".join(f"{name} = ?" for name in columns.split(", "))
        existing = self._connection.execute(f"SELECT id FROM {table} WHERE {condition}", values).fetchone()  # noqa: S608
        if existing:
            return int(existing[0])
        insert = f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608
        return self._connection.execute(insert, values).lastrowid or 0

    def _add_watched(self, host: int, watched: Sequence[Watched]) -> None:
        self._connection.executemany(
            "INSERT INTO watched VALUES (?, ?, ?, ?, ?, ?)",
            [(host, w.path, int(w.single), w.repository, w.node, json.dumps(w.exclude)) for w in watched],
        )

    def _add_packages(self, host: int, record: HostRecord) -> None:
        rows = [(host, *self._ids("package", line, self._package_ids)) for line in record.packages]
        self._connection.executemany("INSERT OR IGNORE INTO installed VALUES (?, ?)", rows)


def _snapshot_values(host: int, row: SnapshotRow) -> tuple[Any, ...]:
    packed = None if row.changes is None else zlib.compress(row.changes, 1)
    return host, row.number, row.node, row.at, row.user, row.message, packed
