"""Tables of earlier and later versions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.files.entry import EVERYWHERE
from pacha.store import database, untrusted_db
from tests.support.snapshots import EVERYTHING, META


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "pacha.db")


def test_one_of_an_earlier_version_has_no_word_of_holes(path: str) -> None:
    database.write(path, EVERYTHING)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("entry", "parent"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN holes")
            connection.execute(f"ALTER TABLE {table} DROP COLUMN sparse")
            connection.execute(f"ALTER TABLE {table} DROP COLUMN project")
        connection.commit()
    earlier = {name: entry._replace(holes=None, project=None) for name, entry in EVERYTHING.entries.items()}
    assert database.read(path).entries == earlier == untrusted_db.read(path).entries
    database.write(path, EVERYTHING)
    assert database.read(path) == EVERYTHING


def test_one_of_an_earlier_version_says_only_whether_a_file_had_holes(path: str) -> None:
    database.write(path, EVERYTHING)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("entry", "parent"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN holes")
        connection.commit()
    kept = untrusted_db.read(path)
    assert {entry.holes for entry in kept.entries.values()} == {None, EVERYWHERE}
    database.write(path, kept)
    assert database.read(path).entries == kept.entries


def test_a_newer_one_of_our_own_is_refused_naming_the_version(path: str) -> None:
    database.write(path, replace(EVERYTHING, meta={**META, "readable_from": "99", "version": "7.5"}))
    with pytest.raises(PachaError) as caught:
        database.read(path)
    assert "7.5" in caught.value.hint
