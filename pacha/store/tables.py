"""The tables of pacha.db: how they are created, and how a snapshot is loaded from them.

What loads raises sqlite3.Error, ValueError, TypeError or KeyError where the database is damaged, and DamagedError where
a newer Pacha wrote it. ``convert`` makes an entry of its row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

from pacha.errors import DamagedError
from pacha.files.entry import Entry
from pacha.files.owners import Account
from pacha.store import row_checks, rows
from pacha.store.rows import Row
from pacha.store.snapshot import SEALED_SCHEMA, Snapshot, Watched

_ENTRY = "id INTEGER PRIMARY KEY, watched INTEGER, path BLOB, kind TEXT, mode INTEGER, uid INTEGER, gid INTEGER, \
owner BLOB, grp BLOB, mtime_ns INTEGER, size INTEGER, sha256 BLOB, target BLOB, link_group INTEGER, \
device INTEGER, xattrs TEXT, flags INTEGER, stored BLOB, parts INTEGER, sparse INTEGER, holes TEXT, \
project INTEGER"
CREATE = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE watched (id INTEGER PRIMARY KEY, path BLOB, kind TEXT, repository TEXT, node TEXT, exclude TEXT,
                      one_filesystem INTEGER, retired INTEGER);
CREATE TABLE parent ({_ENTRY});
CREATE TABLE entry ({_ENTRY});
CREATE TABLE account (id INTEGER PRIMARY KEY, name BLOB, is_group INTEGER, number INTEGER, gid INTEGER, home BLOB,
                      shell BLOB, groups TEXT);
"""


def load(connection: sqlite3.Connection, convert: Callable[[Row], Entry], sealed: bool = False) -> Snapshot:
    """The whole snapshot; with ``sealed``, of its entries only those that are sealed."""
    return Snapshot(
        *load_head(connection),
        load_entries(connection, "entry", convert, sealed),
        load_entries(connection, "parent", convert),
        load_accounts(connection),
    )


def load_head(connection: sqlite3.Connection) -> tuple[Mapping[str, str], tuple[Watched, ...]]:
    """The meta and the watched paths."""
    meta = row_checks.check_meta(dict(connection.execute("SELECT key, value FROM meta")))
    _check_schema(meta)
    watched = "SELECT path, kind, repository, node, exclude, one_filesystem, retired FROM watched ORDER BY id"
    return meta, tuple(rows.to_watched(row) for row in connection.execute(watched))


def _check_schema(meta: Mapping[str, str]) -> None:
    """Raise DamagedError where ``meta`` says that this Pacha is too old to read the snapshot."""
    if int(meta["readable_from"]) > SEALED_SCHEMA:
        raise DamagedError(
            "This snapshot was written by a newer Pacha.",
            f"its format is {meta['readable_from']}, this Pacha reads up to {SEALED_SCHEMA}",
            f"Install Pacha {meta.get('version', 'of a later version')} or later and run this again.",
            code="snapshot-too-new",
        )


def load_entries(
    connection: sqlite3.Connection, table: str, convert: Callable[[Row], Entry], sealed: bool = False
) -> dict[bytes, Entry]:
    """The entries in ``table`` (entry or parent), by path; with ``sealed``, only those that are sealed."""
    entries: dict[bytes, Entry] = {}
    columns = entry_columns(connection, table)
    query = f"SELECT * FROM (SELECT {columns} FROM {table}) WHERE sealed IS NOT NULL OR NOT ?"  # noqa: S608
    for row in connection.execute(query, (sealed,)):
        if row[0] in entries:
            raise ValueError("it holds a path twice")
        entries[row[0]] = convert(row)
    return entries


def load_accounts(connection: sqlite3.Connection) -> tuple[Account, ...]:
    """The accounts, in their order."""
    accounts = "SELECT name, is_group, number, gid, home, shell, groups FROM account ORDER BY id"
    return tuple(rows.to_account(row) for row in connection.execute(accounts))


def entry_columns(connection: sqlite3.Connection, table: str) -> str:
    """What to select for ``rows.COLUMNS``: NULL for a column that ``table``, of an earlier version, does not have."""
    missing = rows.LATER.keys() - column_names(connection, table)
    return ", ".join(f"NULL AS {name}" if name in missing else name for name in rows.COLUMNS)


def column_names(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of the columns that ``table`` has."""
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def add_columns(connection: sqlite3.Connection, *, with_seal: bool) -> None:
    """Add the columns that an earlier version did not have; that of sealed entries only ``with_seal``."""
    for table in ("parent", "entry"):
        wanted = rows.LATER.keys() - ({rows.SEALED} if table == "parent" or not with_seal else set())
        for name in sorted(wanted - column_names(connection, table)):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {rows.LATER[name]}")
