"""The cache: no trouble when lost, broken, or older or newer than pacha.db."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pacha.files.listing import Fingerprints, Listing
from pacha.store import database, scan_cache
from pacha.store.snapshot import Snapshot

EARLIER = Snapshot({"schema": "1", "readable_from": "1", "host": "bar"})
LATER = Snapshot({**EARLIER.meta, "version": "0.9"})
NONE = Fingerprints()
MARKS = Fingerprints(
    {b"/w": Listing.of({b"a": bytes(52), b"\xff": b"\xff" * 52}), b"/w/a": Listing()},
    {b"/w/s\xff": "a socket"},
    are_recorded=True,
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "pacha.db")


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache.db")


def kept_in(cache: str, database_path: str = "") -> tuple[object, object, bool]:
    found = scan_cache.read(cache, database_path)
    return found.listings, found.left_out, found.are_recorded


def test_the_cache_comes_back(cache: str) -> None:
    assert kept_in(cache) == ({}, {}, False)
    scan_cache.write(cache, NONE, MARKS)
    assert kept_in(cache) == (MARKS.listings, MARKS.left_out, False)
    other = Fingerprints({b"/w": Listing.of({b"a": bytes(52)}), b"/w/c": Listing()})
    scan_cache.write(cache, MARKS, other)
    assert kept_in(cache) == (other.listings, {}, False)


def test_the_cache_says_whether_the_database_was_written_since(cache: str, path: str) -> None:
    database.write(path, EARLIER)
    scan_cache.write(cache, NONE, MARKS, path)
    assert kept_in(cache, path)[2]
    database.read(path)
    assert kept_in(cache, path)[2], "who only reads changes nothing"
    before = os.stat(path)
    database.write(path, LATER)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert kept_in(cache, path) == (MARKS.listings, MARKS.left_out, False)
    scan_cache.write(cache, MARKS, MARKS, path)
    assert kept_in(cache, path)[2]
    os.unlink(path)
    assert not kept_in(cache, path)[2]


@pytest.mark.parametrize("are_recorded", [False, True])
def test_a_database_that_was_set_back_has_no_use_for_the_cache(cache: str, path: str, are_recorded: bool) -> None:
    """What differs from its entries may have the fingerprint of the newer scan."""
    marks = Fingerprints(MARKS.listings, MARKS.left_out, are_recorded=are_recorded)
    database.write(path, EARLIER)
    older = Path(path).read_bytes()
    database.write(path, LATER)
    scan_cache.write(cache, NONE, marks, path)
    assert kept_in(cache, path)[2] is are_recorded
    Path(path).write_bytes(older)
    assert kept_in(cache, path) == ({}, {}, False) and not os.path.exists(cache)


def test_the_cache_of_an_earlier_version_is_made_anew(cache: str) -> None:
    with closing(sqlite3.connect(cache)) as connection:
        connection.executescript(
            "CREATE TABLE fingerprint (path BLOB PRIMARY KEY, device INTEGER, inode INTEGER, ctime_ns INTEGER);"
            "CREATE TABLE never_kept (path BLOB PRIMARY KEY, what TEXT) WITHOUT ROWID;"
            "INSERT INTO fingerprint VALUES (x'2f77', 1, 2, 3)"
        )
    assert kept_in(cache) == ({}, {}, False)
    scan_cache.write(cache, NONE, MARKS)
    assert kept_in(cache) == (MARKS.listings, MARKS.left_out, False)


@pytest.mark.parametrize("content", [b"", b"x" * 5000, b"SQLite format 3\0" + b"\1" * 5000, "table", "types", "folder"])
def test_a_cache_that_is_lost_or_broken_is_no_error(cache: str, content: bytes | str) -> None:
    if isinstance(content, bytes):
        Path(cache).write_bytes(content)
    elif content == "folder":
        Path(cache).mkdir()
        scan_cache.read(cache)
        scan_cache.write(cache, NONE, MARKS)
        return
    else:
        with closing(sqlite3.connect(cache)) as connection:
            connection.execute("CREATE TABLE listing (path, names, fingerprints)")
            if content == "types":
                connection.execute("CREATE TABLE never_kept (path, what)")
                connection.execute("INSERT INTO listing VALUES (NULL, 'x', 1.5)")
            connection.commit()
    assert kept_in(cache) == ({}, {}, False)
    scan_cache.write(cache, NONE, MARKS)
    assert scan_cache.read(cache).listings in (MARKS.listings, {})
    scan_cache.write(cache, NONE, MARKS)
    assert scan_cache.read(cache).listings == MARKS.listings


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    scan_cache.write(str(tmp_path / "none/cache.db"), NONE, MARKS)
