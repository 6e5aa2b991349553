"""The cache of the last scan: what each directory listed (SQLite). It only speeds up the next scan."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress

from pacha.files.listing import Fingerprints, Listing
from pacha.store.database import connect

_CACHE = """
DROP TABLE IF EXISTS left_out;  -- of earlier versions
DROP TABLE IF EXISTS fingerprint;
CREATE TABLE IF NOT EXISTS listing (path BLOB PRIMARY KEY, names BLOB, fingerprints BLOB);
CREATE TABLE IF NOT EXISTS never_kept (path BLOB PRIMARY KEY, what TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recorded (database TEXT);
"""
_LISTINGS = "SELECT path, names, fingerprints FROM listing"
_HEAD = 100  #: bytes of a database
_COUNTED = slice(24, 28)  #: where in them SQLite counts its changes


def read(path: str, database: str = "") -> Fingerprints:
    """The fingerprints of the last scan; none if the cache is missing, damaged, or belongs to a newer pacha.db.

    They ``are_recorded`` where the pacha.db at ``database`` is still what it was after that scan.
    """
    if not os.path.exists(path):
        return Fingerprints()
    try:
        with connect(path) as connection:
            listings = {bytes(row[0]): Listing(*map(bytes, row[1:])) for row in connection.execute(_LISTINGS)}
            left_out = {bytes(row[0]): str(row[1]) for row in connection.execute("SELECT path, what FROM never_kept")}
            ((recorded,),) = connection.execute("SELECT database FROM recorded")
            version = _version(database)
            if version and _count(version) < _count(recorded):
                raise ValueError("what it remembers was recorded in a newer database")
            return Fingerprints(listings, left_out, are_recorded=bool(version) and recorded == version)
    except (sqlite3.Error, OSError, TypeError, ValueError):
        for name in (path, f"{path}-journal"):  # the cache only speeds up scanning
            with suppress(OSError):
                os.unlink(name)
        return Fingerprints()


def write(path: str, before: Fingerprints, now: Fingerprints, database: str = "") -> None:
    """Bring the cache from ``before`` (as read) to ``now``; ``database`` is the pacha.db of the same scan.

    A failure is ignored: the next scan reads more.
    """
    old, new = before.listings, now.listings
    changed = [(folder, *listing) for folder, listing in new.items() if old.get(folder) != listing]
    try:
        with connect(path, create=True) as connection:
            connection.executescript(_CACHE)
            connection.executemany(
                "DELETE FROM listing WHERE path = ?", [(folder,) for folder in old.keys() - new.keys()]
            )
            connection.executemany("INSERT OR REPLACE INTO listing VALUES (?, ?, ?)", changed)
            connection.execute("DELETE FROM never_kept")
            connection.executemany("INSERT INTO never_kept VALUES (?, ?)", now.left_out.items())
            connection.execute("DELETE FROM recorded")
            written = _version(database) if now.are_recorded else f"not as in {_version(database)}"
            connection.execute("INSERT INTO recorded VALUES (?)", (written,))
    except (sqlite3.Error, OSError):
        pass


def _version(path: str) -> str:
    """What any change of the database at ``path`` changes: its inode, its times, and SQLite's counter of changes.

    "" without a database.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            status, head = os.fstat(stream.fileno()), stream.read(_HEAD)
    except OSError:
        return ""
    return f"{status.st_dev} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_size} {head.hex()}"


def _count(version: str) -> int:
    """How many changes SQLite had counted in a database of this ``version``: an older copy has fewer. 0 for none."""
    return int.from_bytes(bytes.fromhex(version.rpartition(" ")[2])[_COUNTED], "big")
