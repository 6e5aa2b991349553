"""The file of the index: a damaged one is named, one of another version is made again."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.fleet.index_file import open_index


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "fleet.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(PachaError) as caught, open_index(str(tmp_path / "fleet.db")):
        pass
    assert caught.value.code == "index-damaged"


def test_an_index_of_another_version_is_made_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "fleet.db")
    with open_index(path) as index:
        index.spoil("bar", "mark", "forged")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with open_index(path) as index:
        assert index.hosts() == []


def test_what_a_removed_index_left_beside_it_does_not_get_into_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with open_index(str(path)) as index:
        index.spoil("bar", "mark", "forged")
        log = (tmp_path / "fleet.db-wal").read_bytes()
    path.unlink()
    (tmp_path / "fleet.db-wal").write_bytes(log)
    with open_index(str(path)) as index:
        assert index.hosts() == []
    assert os.stat(path).st_mode & 0o777 == 0o600
