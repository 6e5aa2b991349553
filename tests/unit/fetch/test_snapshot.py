"""Which snapshot of a fetched ``db`` is meant, and that its pacha.db is written out whole or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import DamagedError, UsageError
from pacha.fetch import snapshot
from pacha.fetch.snapshot import FetchedDatabase, SelectedSnapshot
from pacha.files.names import PACHA_DB
from pacha.store.hg import NULL, Blob, Note, Repository

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def commit(source: FetchedDatabase, parent: str, name: bytes, at: float) -> str:
    repository = Repository.open(source.path)
    note = Note("a push", "root@bar", at)
    return repository.commit(parent, [name], [], lambda name: Blob(b"image %d" % at), note)


@pytest.fixture(name="source")
def fetched_database(tmp_path: Path) -> FetchedDatabase:
    Repository.open(str(tmp_path / "db"), create=True)
    return FetchedDatabase(str(tmp_path / "db"), "/pacha/hosts/bar/db", "bar")


def test_the_newest_or_that_of_a_moment(source: FetchedDatabase) -> None:
    first = commit(source, NULL, PACHA_DB, 1_600_000_000.0)
    second = commit(source, first, PACHA_DB, 1_700_000_000.0)
    assert snapshot.find(source, "") == SelectedSnapshot(second, True)
    assert snapshot.find(source, first[:12]) == SelectedSnapshot(first, False)
    assert snapshot.find(source, "2021-01-01").node == first
    assert snapshot.find(source, "1 minute ago") == SelectedSnapshot(second, True)
    with pytest.raises(UsageError):
        snapshot.find(source, "2001-01-01")


def test_an_empty_history_is_damage(source: FetchedDatabase) -> None:
    with pytest.raises(DamagedError) as caught:
        snapshot.find(source, "")
    assert caught.value.code == "history-empty"


def test_its_database_is_written_private_with_what_it_says_of_itself(source: FetchedDatabase, tmp_path: Path) -> None:
    node = commit(source, NULL, PACHA_DB, 1_600_000_000.0)
    note = snapshot.write(source, node, str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"image 1600000000" and note.at == 1_600_000_000
    assert os.stat(tmp_path / "out").st_mode & 0o777 == 0o600


def test_what_has_no_database_is_somebody_elses_and_nothing_is_written(source: FetchedDatabase, tmp_path: Path) -> None:
    node = commit(source, NULL, b"other", 1.0)
    with pytest.raises(DamagedError) as caught:
        snapshot.write(source, node, str(tmp_path / "out"))
    assert caught.value.code == "foreign-database" and not (tmp_path / "out").exists()


def test_a_revision_that_is_not_there_names_the_snapshot(source: FetchedDatabase, tmp_path: Path) -> None:
    commit(source, NULL, PACHA_DB, 1.0)
    with pytest.raises(DamagedError) as caught:
        snapshot.write(source, "a" * 40, str(tmp_path / "out"))
    assert caught.value.code == "snapshot-unreadable" and "a" * 12 in caught.value.message
