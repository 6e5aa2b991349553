"""The file of the index: a damaged one is named, one of another version is made again."""

from __future__ import annotations

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
