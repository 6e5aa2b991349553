"""Read a pacha.db from elsewhere: nothing in it is believed before it is checked."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from urllib.parse import quote

from pacha.files.entry import Entry
from pacha.store import row_checks
from pacha.store.consistency import check_consistency, check_places, damaged_snapshot, foreign_database
from pacha.store.rows import Row
from pacha.store.snapshot import Snapshot
from pacha.store.tables import entry_columns, load, load_head

_TABLES = ("meta", "watched", "parent", "entry", "account")
_MOST_BYTES = 1 << 30  #: a fetched pacha.db larger than this is not one


def read(path: str, known: dict[Row, Entry] | None = None, *, whole: bool = True) -> Snapshot:
    """The snapshot in a pacha.db from elsewhere, with every value checked. Raises DamagedError.

    Unless ``whole`` only its meta and watched paths, which is much faster. ``known`` caches the entries of checked rows
    from one snapshot to the next.
    """
    with _open(path) as connection:
        if not whole:
            return Snapshot(*load_head(connection))
        snapshot = load(connection, row_checks.checked_entry if known is None else _remembering(known))
    check_consistency(snapshot)
    return snapshot


def read_rows(path: str, columns: Sequence[str]) -> tuple[Snapshot, list[Row]]:
    """Meta and watched paths of a pacha.db from elsewhere, and these columns of its entries. Raises DamagedError.

    The values are not checked, which is much faster; only that each path occurs once, and lies below a watched one.
    """
    with _open(path) as connection:
        head = Snapshot(*load_head(connection))
        entries = f"SELECT {entry_columns(connection, 'entry')} FROM entry"  # noqa: S608
        rows = connection.execute(f"SELECT path, kind, {', '.join(columns)} FROM ({entries})").fetchall()  # noqa: S608
        kinds = {row[0]: row[1] for row in rows}
        if len(kinds) < len(rows):
            raise ValueError("it holds a path twice")
        check_places(head.watched, kinds, kinds.get)
    return head, rows


def _remembering(known: dict[Row, Entry]) -> Callable[[Row], Entry]:
    def convert(row: Row) -> Entry:
        entry = known.get(row)
        if entry is None:
            entry = known[row] = row_checks.checked_entry(row)
        return entry

    return convert


@contextmanager
def _open(path: str) -> Iterator[sqlite3.Connection]:
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


def _distrust(connection: sqlite3.Connection) -> None:
    """Raise DamagedError unless the database has Pacha's tables, nothing that could run, and no damaged page."""
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON", "mmap_size=0"):
        connection.execute(f"PRAGMA {pragma}")
    schema = dict(connection.execute("SELECT name, type FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"))
    if "meta" not in schema:
        names = ", ".join(sorted(map(str, schema))[:5])
        raise foreign_database(f"its pacha.db has no table 'meta', but {names or 'none at all'}")
    are_tables = all(schema.get(name) == "table" for name in _TABLES)
    if not are_tables or {"view", "trigger"} & set(schema.values()) or _computes(connection):
        raise damaged_snapshot("its tables are not Pacha's")
    result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise damaged_snapshot(result)


def _computes(connection: sqlite3.Connection) -> bool:
    """Whether a table is virtual or has a computed column."""
    virtual = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND rootpage = 0"
    hidden = "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden"
    count = connection.execute(virtual).fetchone()[0]
    return count > 0 or any(connection.execute(hidden, (name,)).fetchone()[0] for name in _TABLES)
