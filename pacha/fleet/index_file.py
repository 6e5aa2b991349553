"""The file of the index over all hosts, ``<hosts_path>/.pacha/fleet.db``, and its tables (see docs/on-disk.rst).

It may be removed at any time: the next command that needs it makes it again from the hosts' ``db``.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from urllib.parse import quote

from pacha.errors import PachaError
from pacha.fleet.index import Index
from pacha.text import escape

NAME = "fleet.db"
_VERSION = 1  #: of the schema; an index of another version is made again
_SECONDS = 120.0  #: to wait while another process writes
_SCHEMA = """
CREATE TABLE host (id INTEGER PRIMARY KEY, name TEXT UNIQUE, mark TEXT, tip TEXT, number INTEGER, fault TEXT);
CREATE TABLE watched (host INTEGER, path BLOB, single INTEGER, repository TEXT, node TEXT, exclude TEXT,
                      PRIMARY KEY (host, path)) WITHOUT ROWID;
CREATE TABLE path (id INTEGER PRIMARY KEY, path BLOB UNIQUE);
CREATE TABLE state (id INTEGER PRIMARY KEY, kind TEXT, mode INTEGER, owner BLOB, grp BLOB, size INTEGER, content BLOB,
                    stored BLOB, parts INTEGER, UNIQUE (content, stored, owner, grp, mode, kind, size, parts));
CREATE TABLE entry (host INTEGER, path INTEGER, state INTEGER, PRIMARY KEY (host, path)) WITHOUT ROWID;
CREATE TABLE snapshot (id INTEGER PRIMARY KEY, host INTEGER, number INTEGER, node TEXT, at REAL, user TEXT,
                       message TEXT, changes BLOB, UNIQUE (host, number));
CREATE INDEX snapshot_at ON snapshot (at);
CREATE TABLE package (id INTEGER PRIMARY KEY, name TEXT, architecture TEXT, version TEXT,
                      UNIQUE (name, architecture, version));
CREATE TABLE installed (host INTEGER, package INTEGER, PRIMARY KEY (host, package)) WITHOUT ROWID;
CREATE TABLE replaced (rows INTEGER);
INSERT INTO replaced VALUES (0);
"""


@contextmanager
def open_index(path: str) -> Iterator[Index]:
    """Open the index at ``path``, in a private folder; make it where it is missing or has another version.

    Raises PachaError, also where it is damaged, and OSError.
    """
    try:
        with closing(_connected(path)) as connection:
            yield Index(connection)
    except sqlite3.OperationalError as error:
        raise PachaError(
            f"The index {escape(path)} cannot be used.",
            str(error),
            "Is the disk full, or does another Pacha write it? It may be removed: it is made again.",
            code="index-unusable",
        ) from None
    except sqlite3.DatabaseError as error:
        raise PachaError(
            f"The index {escape(path)} is damaged.",
            str(error),
            "Remove it and run this again: it is made anew from the hosts' histories.",
            code="index-damaged",
        ) from None


def _connected(path: str) -> sqlite3.Connection:
    if not os.path.lexists(path):  # what SQLite left beside one that somebody removed would go into the new one
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.unlink(path + end)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    address = f"file:{quote(os.fsencode(path))}?mode=rw"
    connection = sqlite3.connect(address, timeout=_SECONDS, uri=True, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        if version or connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            connection.close()
            os.unlink(path)
            return _connected(path)
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
    return connection
