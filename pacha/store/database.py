"""This host's own pacha.db, the root of a snapshot: read and written with SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from urllib.parse import quote

from pacha.errors import PachaError
from pacha.files.entry import Entry
from pacha.files.owners import Account
from pacha.store import rows, tables
from pacha.store.recorded import Recorded, Summary, may_be_sealed
from pacha.store.rowids import assign_ids
from pacha.store.snapshot import READABLE_FROM, SCHEMA, Snapshot, Watched
from pacha.system.presence import is_absent


@contextmanager
def connect(path: str, *, create: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a connection; commit and close it at the end, or roll back after an exception."""
    if create:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=rw", timeout=10, uri=True)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        # So that no free page keeps the digest that a file had before it was sealed.
        connection.execute("PRAGMA secure_delete=ON")
        with connection:
            yield connection


def read(path: str, *, whole: bool = True, sealed: bool = False) -> Snapshot:
    """The snapshot in this host's own pacha.db at ``path``; empty where the file does not exist.

    Without ``whole``: only meta and watched paths, which is much faster. With ``sealed``: only sealed entries. Raises
    PachaError where it is damaged.
    """
    with _own(path) as connection:
        if connection is None:
            return Snapshot()
        return tables.load(connection, rows.to_entry, sealed) if whole else Snapshot(*tables.load_head(connection))


def read_lazily(path: str) -> Snapshot:
    """As ``read``, but where no entry is sealed, they are read only when one is asked for (``Recorded``).

    Nobody else may write to ``path`` meanwhile. Raises PachaError where it is damaged, also when an entry is asked for.
    """
    with _own(path) as connection:
        if connection is None:
            return Snapshot()
        if rows.SEALED in tables.column_names(connection, "entry"):
            return tables.load(connection, rows.to_entry)
        count = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
        find = partial(_find_entry, path)
        recorded = Recorded(count, _summary(connection), lambda: _read_entries(path), find)
        parents = tables.load_entries(connection, "parent", rows.to_entry)
        return Snapshot(*tables.load_head(connection), recorded, parents, tables.load_accounts(connection))


def _read_entries(path: str) -> dict[bytes, Entry]:
    with _own(path) as connection:
        return {} if connection is None else tables.load_entries(connection, "entry", rows.to_entry)


def _find_entry(path: str, wanted: bytes) -> Entry | None:
    with _own(path) as connection:
        if connection is None:
            return None
        query = f"SELECT {tables.entry_columns(connection, 'entry')} FROM entry WHERE path = ?"  # noqa: S608
        matches = connection.execute(query, (wanted,)).fetchall()
        if len(matches) > 1:
            raise ValueError("it holds a path twice")
        return rows.to_entry(matches[0]) if matches else None


def _summary(connection: sqlite3.Connection) -> Summary:
    files, size = connection.execute("SELECT count(*), total(size) FROM entry WHERE kind = 'f'").fetchone()
    owners = connection.execute("SELECT DISTINCT uid, owner, gid, grp FROM entry")
    xattrs = connection.execute("SELECT DISTINCT xattrs FROM entry WHERE xattrs != ''")
    return Summary(
        files=files,
        size=int(size),
        owners=frozenset(owners.fetchall()),
        xattrs=frozenset(rows.to_xattrs(row[0]) for row in xattrs),
    )


@contextmanager
def _own(path: str) -> Iterator[sqlite3.Connection | None]:
    """A connection to this host's own pacha.db; None where nothing was written yet. Raises PachaError."""
    if is_absent(path):
        yield None
        return
    try:
        with connect(path) as connection:
            yield None if _is_new(connection, path) else connection
    except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
        raise PachaError(
            f"{path} cannot be read.",
            str(error),
            "Move it aside, and get it back from the master: pacha restore-db HOST",
            code="database-unreadable",
        ) from None


def write(path: str, snapshot: Snapshot, last: Snapshot | None = None) -> None:
    """Bring pacha.db at ``path`` to ``snapshot``; unchanged rows stay in their places. Raises PachaError.

    ``last`` is the snapshot that was read from there, if it was: then only what differs from it is looked at.
    """
    try:
        with connect(path, create=True) as connection:
            if _is_new(connection, path):
                connection.executescript(f"BEGIN; {tables.CREATE}")  # one transaction with all that follows
                last = Snapshot()
            entries = snapshot.entries.values() if may_be_sealed(snapshot.entries) else ()
            tables.add_columns(connection, with_seal=any(entry.sealed is not None for entry in entries))
            _write_meta(connection, snapshot.meta)
            ids = _write_watched(connection, snapshot.watched)
            watched_id = _watched_id_of(snapshot.watched, ids)
            _write_entries(connection, "parent", snapshot.parents, last.parents if last else None, lambda path: 0)
            _write_entries(connection, "entry", snapshot.entries, last.entries if last else None, watched_id)
            _write_accounts(connection, snapshot.accounts)
    except sqlite3.Error as error:
        raise PachaError(
            f"{path} cannot be written.",
            str(error),
            "Is the file system full, or is a limit (ulimit -f) reached?",
            code="database-unwritable",
        ) from None


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    """Whether nothing was written to ``path`` yet, or the first write was interrupted. Raises sqlite3.Error."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        return False
    if os.path.getsize(path):
        raise sqlite3.DatabaseError("it holds no tables")  # SQLite takes a few stray bytes for an empty file
    return True


def _write_meta(connection: sqlite3.Connection, meta: Mapping[str, str]) -> None:
    meta = {"schema": str(SCHEMA), "readable_from": str(READABLE_FROM), **meta}
    if dict(connection.execute("SELECT key, value FROM meta")) != meta:
        connection.execute("DELETE FROM meta")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))


def _write_watched(connection: sqlite3.Connection, watched: Iterable[Watched]) -> dict[str, int]:
    """Write the rows; return the id of each watched path, by its repository's name. A name is never reused."""
    watched = tuple(watched)
    names = {root.repository for root in watched}
    rows_now = {row[0]: row for row in connection.execute("SELECT * FROM watched")}
    obsolete = [(number,) for number, row in rows_now.items() if row[3] not in names]
    connection.executemany("DELETE FROM watched WHERE id = ?", obsolete)
    ids = {row[3]: number for number, row in rows_now.items() if row[3] in names}
    for root in watched:
        ids.setdefault(root.repository, max(ids.values(), default=0) + 1)
        values = (
            root.path, "single" if root.single else "dir", root.repository, root.node, json.dumps(root.exclude),
            int(root.one_filesystem), int(root.retired),
        )  # fmt: skip
        row = (ids[root.repository], *values)
        if rows_now.get(row[0]) != row:
            connection.execute("INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return ids


def _watched_id_of(watched: Iterable[Watched], ids: Mapping[str, int]) -> Callable[[bytes], int]:
    """A function from a path to the id of the watched path that it lies in; 0 for none."""
    live = [(root, ids[root.repository]) for root in watched if not root.retired]
    return lambda path: next((number for root, number in live if root.holds(path)), 0)


def _write_entries(
    connection: sqlite3.Connection,
    table: str,
    entries: Mapping[bytes, Entry],
    last: Mapping[bytes, Entry] | None,
    watched_id: Callable[[bytes], int],
) -> None:
    """Write the entries that changed or are new, each with the id of its place and of its watched path."""
    if entries is last and isinstance(entries, Recorded):  # nothing changed, nothing was even read
        return
    ids = assign_ids(connection, table, entries, last)
    known = tables.column_names(connection, table)
    columns = ["id", "watched", *(name for name in rows.COLUMNS if name in known)]
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
    values = ((path, rows.from_entry(entries[path])[: len(columns) - 2]) for path in sorted(ids))
    connection.executemany(statement, ((ids[path], watched_id(path), *row) for path, row in values))


def _write_accounts(connection: sqlite3.Connection, accounts: Iterable[Account]) -> None:
    table = [
        (row, a.name, int(a.is_group), a.number, a.gid, a.home, a.login_shell, json.dumps([g.hex() for g in a.groups]))
        for row, a in enumerate(accounts, 1)
    ]
    if connection.execute("SELECT * FROM account ORDER BY id").fetchall() != table:
        connection.execute("DELETE FROM account")
        connection.executemany("INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, ?)", table)


def image(path: str) -> bytes:
    """A consistent copy of the database at ``path`` as bytes: SQLite's (sqlite3_serialize), never the live file's.

    Raises PachaError where it is damaged.
    """
    try:
        with closing(sqlite3.connect(path)) as source:
            return source.serialize() if hasattr(source, "serialize") else _dump(source, path)
    except sqlite3.Error as error:
        raise PachaError(
            f"{path} cannot be copied.", str(error), "Move it aside and push again.", code="database-not-copied"
        ) from None


def _dump(source: sqlite3.Connection, path: str) -> bytes:
    """The same for Python 3.10, which cannot serialize: through a private temporary file."""
    temporary = path + ".image"
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        with open(temporary, "rb") as stream:
            return stream.read()
    finally:
        os.unlink(temporary)
