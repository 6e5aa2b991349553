"""Give the rows of pacha.db their ids: a row that stays keeps its place.

The place of the rows decides the size of a snapshot: a stable integer id is the only key, so that a new file changes
one page and not every page (SQLite's file format, https://sqlite.org/fileformat2.html).
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Mapping

from pacha.files.amended import Amended
from pacha.files.entry import Entry
from pacha.store import rows
from pacha.store.tables import load_entries

_FEW = 500  #: entries that differ, up to which the rows that stay are not looked at


def assign_ids(
    connection: sqlite3.Connection, table: str, entries: Mapping[bytes, Entry], last: Mapping[bytes, Entry] | None
) -> dict[bytes, int]:
    """Remove the rows that ``entries`` does not have; return the ids of those to write, by path.

    ``last`` is what the table holds, where that is known. New paths get the ids of removed ones first.
    """
    ids = None
    if isinstance(entries, Amended) and entries.base is last and len(entries.changed) + len(entries.removed) <= _FEW:
        ids = _assign_few(connection, table, entries)
    return _assign_all(connection, table, entries, last) if ids is None else ids


def _assign_few(connection: sqlite3.Connection, table: str, entries: Amended) -> dict[bytes, int] | None:
    """As ``_assign_all``, without looking at the rows that stay; None where ``entries.base`` is not what is there."""
    known = (entries.changed.keys() | entries.removed).difference(entries.added)
    query = f"SELECT path, id FROM {table} WHERE path IN ({', '.join('?' * len(known))})"  # noqa: S608
    pairs = connection.execute(query, list(known)).fetchall()
    count, last = connection.execute(f"SELECT count(*), max(id) FROM {table}").fetchone()  # noqa: S608
    ids = dict(pairs)
    if count != len(entries.base) or len(pairs) != len(known) or ids.keys() != known:
        return None
    free = sorted(ids.pop(path) for path in entries.removed)
    changed = {path: number for path, number in ids.items() if entries.changed[path] != entries.base[path]}
    return changed | _reuse(connection, table, free, (last or 0) + 1, sorted(entries.added))


def _assign_all(
    connection: sqlite3.Connection, table: str, entries: Mapping[bytes, Entry], last: Mapping[bytes, Entry] | None
) -> dict[bytes, int]:
    """Look at every row, and compare ``entries`` with ``last``, or with the rows where that is None."""
    before = load_entries(connection, table, rows.to_entry) if last is None else last
    changed, free, following, kept = dict[bytes, int](), list[int](), 1, 0
    for number, path in connection.execute(f"SELECT id, path FROM {table} ORDER BY id"):  # noqa: S608
        following = number + 1
        if path not in entries:
            free.append(number)
        elif entries[path] != before.get(path):
            changed[path] = number
        else:
            kept += 1
    new = sorted(path for path in entries if path not in before and path not in changed)
    if kept + len(changed) + len(new) != len(entries):  # ``last`` is not what is in the file
        return _assign_all(connection, table, entries, None)
    return changed | _reuse(connection, table, free, following, new)


def _reuse(
    connection: sqlite3.Connection, table: str, free: list[int], following: int, new: list[bytes]
) -> dict[bytes, int]:
    """Remove the rows with the ids ``free``; give these to the ``new`` paths, and those from ``following`` on."""
    connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(number,) for number in free])  # noqa: S608
    return dict(zip(new, itertools.chain(free, itertools.count(following)), strict=False))
