"""SQLite: pacha.db, the root of a snapshot. With SQL, beside ``scan_cache`` and ``fleet/index``.

The place of the rows decides the size of a snapshot: a stable integer id is the only key, so that a new file changes
one page and not every page (SQLite's file format, https://sqlite.org/fileformat2.html).
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, TypeGuard
from urllib.parse import quote

from pacha.errors import DamagedError, PachaError
from pacha.files.amended import Amended
from pacha.files.metadata import Entry
from pacha.files.owners import Account
from pacha.store import row_checks, rows
from pacha.store.consistency import check_consistency, check_places, damaged_snapshot, foreign_database
from pacha.store.recorded import Recorded, Summary, may_be_sealed
from pacha.store.snapshot import READABLE_FROM, SCHEMA, SEALED_SCHEMA, Snapshot, Watched
from pacha.system.presence import is_absent

_ENTRY = "id INTEGER PRIMARY KEY, watched INTEGER, path BLOB, kind TEXT, mode INTEGER, uid INTEGER, gid INTEGER, \
owner BLOB, grp BLOB, mtime_ns INTEGER, size INTEGER, sha256 BLOB, target BLOB, link_group INTEGER, \
device INTEGER, xattrs TEXT, flags INTEGER, stored BLOB, parts INTEGER, sparse INTEGER, holes TEXT, \
project INTEGER"
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE watched (id INTEGER PRIMARY KEY, path BLOB, kind TEXT, repository TEXT, node TEXT, exclude TEXT,
                      one_filesystem INTEGER, retired INTEGER);
CREATE TABLE parent ({_ENTRY});
CREATE TABLE entry ({_ENTRY});
CREATE TABLE account (id INTEGER PRIMARY KEY, name BLOB, is_group INTEGER, number INTEGER, gid INTEGER, home BLOB,
                      shell BLOB, groups TEXT);
"""
Row = tuple[Any, ...]  #: in the order of rows.COLUMNS
_FEW = 500  #: entries that differ, up to which the rows that stay are not looked at
_MOST_BYTES = 1 << 30  #: a fetched pacha.db larger than this is not one


@contextmanager
def connect(path: str, *, create: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a connection; commit and close it at the end, or roll back after an exception."""
    if create:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=rw", timeout=10, uri=True)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA secure_delete=ON")  # what is sealed now leaves no digest of before in a free page
        with connection:
            yield connection


def read(path: str, *, whole: bool = True, sealed: bool = False) -> Snapshot:
    """The snapshot in this host's own pacha.db at ``path``; empty where the file does not exist.

    Unless ``whole`` only its meta and watched paths, which is much faster; with ``sealed``, of its entries only those
    that are sealed. Raises PachaError where it is damaged.
    """
    with _own(path) as connection:
        if connection is None:
            return Snapshot()
        return _load(connection, rows.to_entry, sealed) if whole else Snapshot(*_load_head(connection))


def read_lazily(path: str) -> Snapshot:
    """As ``read``, for who may need no entry: where none is sealed, they are ``Recorded``, and read when one is.

    Nobody else may write to ``path`` meanwhile. Raises PachaError where it is damaged, also when an entry is asked for.
    """
    with _own(path) as connection:
        if connection is None:
            return Snapshot()
        if rows.SEALED in _names_of(connection, "entry"):
            return _load(connection, rows.to_entry)
        count = connection.execute("SELECT count(*) FROM entry").fetchone()[0]
        find = partial(_find_entry, path)
        recorded = Recorded(count, _summary(connection), lambda: _read_entries(path), find)
        parents = _load_entries(connection, "parent", rows.to_entry)
        return Snapshot(*_load_head(connection), recorded, parents, _load_accounts(connection))


def _read_entries(path: str) -> dict[bytes, Entry]:
    with _own(path) as connection:
        return {} if connection is None else _load_entries(connection, "entry", rows.to_entry)


def _find_entry(path: str, wanted: bytes) -> Entry | None:
    with _own(path) as connection:
        if connection is None:
            return None
        which = f"SELECT {_columns(connection, 'entry')} FROM entry WHERE path = ?"  # noqa: S608
        found = connection.execute(which, (wanted,)).fetchall()
        if len(found) > 1:
            raise ValueError("it holds a path twice")
        return rows.to_entry(found[0]) if found else None


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


def read_foreign(path: str, known: dict[Row, Entry] | None = None, *, whole: bool = True) -> Snapshot:
    """The snapshot in a pacha.db from elsewhere, with every value checked. Raises DamagedError.

    Unless ``whole`` only its meta and watched paths, which is much faster. ``known`` caches the entries of checked rows
    from one snapshot to the next.
    """
    with _foreign(path) as connection:
        if not whole:
            return Snapshot(*_load_head(connection))
        snapshot = _load(connection, row_checks.checked_entry if known is None else _remembering(known))
    check_consistency(snapshot)
    return snapshot


def read_foreign_rows(path: str, columns: Sequence[str]) -> tuple[Snapshot, list[Row]]:
    """Meta and watched paths of a pacha.db from elsewhere, and these columns of its entries. Raises DamagedError.

    Values of the rows are not checked, which is much faster; but that each path is there once, and below a watched one.
    """
    with _foreign(path) as connection:
        head = Snapshot(*_load_head(connection))
        wanted = f"SELECT path, kind, {', '.join(columns)} FROM (SELECT {_columns(connection, 'entry')} FROM entry)"  # noqa: S608
        found = connection.execute(wanted).fetchall()
        kinds = {row[0]: row[1] for row in found}
        if len(kinds) < len(found):
            raise ValueError("it holds a path twice")
        check_places(head.watched, kinds, kinds.get)
    return head, found


@contextmanager
def _foreign(path: str) -> Iterator[sqlite3.Connection]:
    """Open a database from elsewhere immutable; its schema is not trusted (https://sqlite.org/security.html)."""
    try:
        if os.path.getsize(path) > _MOST_BYTES:
            raise damaged_snapshot("it is larger than any pacha.db can be")
        quoted = quote(os.fsencode(path))
        with closing(sqlite3.connect(f"file:{quoted}?mode=ro&immutable=1", uri=True)) as connection:
            _distrust(connection)
            yield connection
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged_snapshot(str(error)) from None
    except OSError as error:
        raise damaged_snapshot(error.strerror or str(error)) from None


def write(path: str, snapshot: Snapshot, last: Snapshot | None = None) -> None:
    """Bring pacha.db at ``path`` to ``snapshot``; unchanged rows stay in their places. Raises PachaError.

    ``last`` is the snapshot that was read from there, if it was; then only what differs from it is looked at.
    """
    try:
        with connect(path, create=True) as connection:
            if _is_new(connection, path):
                connection.executescript(f"BEGIN; {_SCHEMA}")  # one transaction with all that follows
                last = Snapshot()
            entries = snapshot.entries.values() if may_be_sealed(snapshot.entries) else ()
            _add_columns(connection, with_seal=any(entry.sealed is not None for entry in entries))
            _write_meta(connection, snapshot.meta)
            ids = _write_watched(connection, snapshot.watched)
            watched = _watched_of(snapshot.watched, ids)
            _write_entries(connection, "parent", snapshot.parents, last.parents if last else None, lambda path: 0)
            _write_entries(connection, "entry", snapshot.entries, last.entries if last else None, watched)
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


def _load(connection: sqlite3.Connection, convert: Any, sealed: bool = False) -> Snapshot:
    return Snapshot(
        *_load_head(connection),
        _load_entries(connection, "entry", convert, sealed),
        _load_entries(connection, "parent", convert),
        _load_accounts(connection),
    )


def _load_accounts(connection: sqlite3.Connection) -> tuple[Account, ...]:
    accounts = "SELECT name, is_group, number, gid, home, shell, groups FROM account ORDER BY id"
    return tuple(rows.to_account(row) for row in connection.execute(accounts))


def _load_head(connection: sqlite3.Connection) -> tuple[Mapping[str, str], tuple[Watched, ...]]:
    meta = row_checks.check_meta(dict(connection.execute("SELECT key, value FROM meta")))
    _check_schema(meta)
    watched = "SELECT path, kind, repository, node, exclude, one_filesystem, retired FROM watched ORDER BY id"
    return meta, tuple(rows.to_watched(row) for row in connection.execute(watched))


def _remembering(known: dict[Row, Entry]) -> Callable[[Row], Entry]:
    def convert(row: Row) -> Entry:
        entry = known.get(row)
        if entry is None:
            entry = known[row] = row_checks.checked_entry(row)
        return entry

    return convert


def _columns(connection: sqlite3.Connection, table: str) -> str:
    """The columns of an entry; NULL for one that an earlier version of this schema did not have."""
    missing = rows.LATER.keys() - _names_of(connection, table)
    return ", ".join(f"NULL AS {name}" if name in missing else name for name in rows.COLUMNS)


def _names_of(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _add_columns(connection: sqlite3.Connection, *, with_seal: bool) -> None:
    """Add what the tables of an earlier version lack; that of sealed entries only where there are some."""
    for table in ("parent", "entry"):
        wanted = rows.LATER.keys() - ({rows.SEALED} if table == "parent" or not with_seal else set())
        for name in sorted(wanted - _names_of(connection, table)):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {rows.LATER[name]}")


def _load_entries(connection: sqlite3.Connection, table: str, convert: Any, sealed: bool = False) -> dict[bytes, Entry]:
    entries: dict[bytes, Entry] = {}
    columns = _columns(connection, table)
    which = f"SELECT * FROM (SELECT {columns} FROM {table}) WHERE sealed IS NOT NULL OR NOT ?"  # noqa: S608
    for row in connection.execute(which, (sealed,)):
        if row[0] in entries:
            raise ValueError("it holds a path twice")
        entries[row[0]] = convert(row)
    return entries


def _check_schema(meta: Mapping[str, str]) -> None:
    if int(meta["readable_from"]) > SEALED_SCHEMA:
        raise DamagedError(
            "This snapshot was written by a newer Pacha.",
            f"its format is {meta['readable_from']}, this Pacha reads up to {SEALED_SCHEMA}",
            f"Install Pacha {meta.get('version', 'of a later version')} or later and run this again.",
            code="snapshot-too-new",
        )


def _distrust(connection: sqlite3.Connection) -> None:
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {pragma}")
    schema = dict(connection.execute("SELECT name, type FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"))
    tables = {"meta", "watched", "parent", "entry", "account"}
    if "meta" not in schema:
        names = ", ".join(sorted(map(str, schema))[:5])
        raise foreign_database(f"its pacha.db has no table 'meta', but {names or 'none at all'}")
    if any(schema.get(name) != "table" for name in tables) or {"view", "trigger"} & set(schema.values()):
        raise damaged_snapshot("its tables are not Pacha's")
    virtual = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND rootpage = 0"
    hidden = "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden"  # computed columns
    if connection.execute(virtual).fetchone()[0] or any(connection.execute(hidden, (t,)).fetchone()[0] for t in tables):
        raise damaged_snapshot("its tables are not Pacha's")
    result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise damaged_snapshot(result)


def _write_meta(connection: sqlite3.Connection, meta: Mapping[str, str]) -> None:
    meta = {"schema": str(SCHEMA), "readable_from": str(READABLE_FROM), **meta}
    if dict(connection.execute("SELECT key, value FROM meta")) != meta:
        connection.execute("DELETE FROM meta")
        connection.executemany("INSERT INTO meta VALUES (?, ?)", sorted(meta.items()))


def _write_watched(connection: sqlite3.Connection, watched: Iterable[Watched]) -> dict[str, int]:
    """Write the rows and return their ids by repository, whose name is never used again for another path."""
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


def _watched_of(watched: Iterable[Watched], ids: Mapping[str, int]) -> Any:
    live = [(root, ids[root.repository]) for root in watched if not root.retired]
    return lambda path: next((number for root, number in live if root.holds(path)), 0)


def _write_entries(
    connection: sqlite3.Connection,
    table: str,
    entries: Mapping[bytes, Entry],
    last: Mapping[bytes, Entry] | None,
    watched: Any,
) -> None:
    """Update changed rows in place, give the ids of removed rows to new ones, then append."""
    if entries is last and isinstance(entries, Recorded):  # the rows that there are, not even read
        return
    numbers = _amended_numbers(connection, table, entries) if _differs_in_few(entries, last) else None
    if numbers is None:
        numbers = _numbered(connection, table, entries, last)
    known = _names_of(connection, table)
    columns = ["id", "watched", *(name for name in rows.COLUMNS if name in known)]
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
    values = ((path, rows.from_entry(entries[path])[: len(columns) - 2]) for path in sorted(numbers))
    connection.executemany(statement, ((numbers[path], watched(path), *row) for path, row in values))


def _differs_in_few(entries: Mapping[bytes, Entry], last: Mapping[bytes, Entry] | None) -> TypeGuard[Amended]:
    return isinstance(entries, Amended) and entries.base is last and len(entries.changed) + len(entries.removed) <= _FEW


def _amended_numbers(connection: sqlite3.Connection, table: str, entries: Amended) -> dict[bytes, int] | None:
    """As ``_numbered``, without looking at the rows that stay; None where ``entries.base`` is not what is there."""
    known = (entries.changed.keys() | entries.removed).difference(entries.added)
    which = f"SELECT path, id FROM {table} WHERE path IN ({', '.join('?' * len(known))})"  # noqa: S608
    found = connection.execute(which, list(known)).fetchall()
    count, last = connection.execute(f"SELECT count(*), max(id) FROM {table}").fetchone()  # noqa: S608
    numbers = dict(found)
    if count != len(entries.base) or len(found) != len(known) or numbers.keys() != known:
        return None
    free = sorted(numbers.pop(path) for path in entries.removed)
    numbers = {path: number for path, number in numbers.items() if entries.changed[path] != entries.base[path]}
    connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(number,) for number in free])  # noqa: S608
    places = itertools.chain(free, itertools.count((last or 0) + 1))
    return {**numbers, **dict(zip(sorted(entries.added), places, strict=False))}


def _numbered(
    connection: sqlite3.Connection, table: str, entries: Mapping[bytes, Entry], last: Mapping[bytes, Entry] | None
) -> dict[bytes, int]:
    """The ids of the rows to write, by path; rows that are no more are removed, so that their ids are free."""
    before = _load_entries(connection, table, rows.to_entry) if last is None else last
    numbers, free, following, kept = dict[bytes, int](), list[int](), 1, 0
    for number, path in connection.execute(f"SELECT id, path FROM {table} ORDER BY id"):  # noqa: S608
        following = number + 1
        if path not in entries:
            free.append(number)
        elif entries[path] != before.get(path):
            numbers[path] = number
        else:
            kept += 1
    new = sorted(path for path in entries if path not in before and path not in numbers)
    if kept + len(numbers) + len(new) != len(entries):  # ``last`` is not what is in the file
        return _numbered(connection, table, entries, None)
    connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(number,) for number in free])  # noqa: S608
    return {**numbers, **dict(zip(new, itertools.chain(free, itertools.count(following)), strict=False))}


def _write_accounts(connection: sqlite3.Connection, accounts: Iterable[Account]) -> None:
    table = [
        (row, a.name, int(a.is_group), a.number, a.gid, a.home, a.login_shell, json.dumps([g.hex() for g in a.groups]))
        for row, a in enumerate(accounts, 1)
    ]
    if connection.execute("SELECT * FROM account ORDER BY id").fetchall() != table:
        connection.execute("DELETE FROM account")
        connection.executemany("INSERT INTO account VALUES (?, ?, ?, ?, ?, ?, ?, ?)", table)
