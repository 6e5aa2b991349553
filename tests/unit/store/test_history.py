"""The snapshots in the state folder: newest first, each as it was, and one that is damaged hides no other."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError, UsageError
from pacha.files.names import DATABASE, PACHA_DB
from pacha.store import database, history
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.revspec import SnapshotRef
from pacha.store.rows import Row
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder
from tests.support.database_rows import good

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
BEGAN = 1_700_000_000.0


def image(path: Path, snapshot: Snapshot) -> bytes:
    database.write(str(path), snapshot)
    return database.image(str(path))


def snapshot(number: int) -> Snapshot:
    made = good()
    return replace(made, meta={**made.meta, "number": str(number)})


@pytest.fixture(name="state")
def state_with_history(tmp_path: Path) -> StateFolder:
    """A state folder whose history has the snapshots 0, 1 and 2, a day after each other."""
    state = StateFolder(tmp_path / "state")
    state.make()
    repository = Repository.open(state.repository(DATABASE), create=True)
    node = NULL
    for number in range(3):
        blob = Blob(image(tmp_path / "pacha.db", snapshot(number)))
        note = Note("a push", "root@bar", BEGAN + number * 86400)
        node = repository.commit(node, [PACHA_DB], [], lambda name, blob=blob: blob, note)
    return state


def number_of(found: Snapshot) -> str:
    return found.meta["number"]


def test_every_snapshot_newest_first_with_its_time(state: StateFolder) -> None:
    made = history.own_snapshots(state)
    assert [one.at for one in made] == [BEGAN + 2 * 86400, BEGAN + 86400, BEGAN]
    assert [number_of(history.read(state, one.node)) for one in made] == ["2", "1", "0"]


def test_a_snapshot_is_read_as_it_was_written_and_leaves_nothing_beside(state: StateFolder) -> None:
    before = sorted(os.listdir(state.path))
    assert history.read(state, history.own_snapshots(state)[1].node) == snapshot(1)
    assert sorted(os.listdir(state.path)) == before


def test_when_means_an_id_or_a_moment(state: StateFolder) -> None:
    oldest = history.own_snapshots(state)[-1]
    assert number_of(history.at(state, oldest.node[:12])) == "0"
    assert number_of(history.at(state, "1 minute ago")) == "2"
    with pytest.raises(UsageError):
        history.at(state, "2001-01-01")


def test_before_the_first_push_there_is_none(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    assert history.own_snapshots(state) == []
    with pytest.raises(PachaError) as caught:
        history.at(state, "yesterday")
    assert caught.value.code == "no-history"


def test_a_revision_that_cannot_be_read_has_no_time_and_hides_none(state: StateFolder) -> None:
    store = Path(state.repository(DATABASE), ".hg/store")
    bad, index = history.own_snapshots(state)[1].node, (store / "00changelog.i").read_bytes()
    entry = index.index(bytes.fromhex(bad)) - 32  # its offset comes first: hg help internals.revlogs
    (texts,) = store.glob("00changelog*.d")
    with open(texts, "r+b") as stream:
        stream.seek(int.from_bytes(index[entry : entry + 6], "big") + 4)
        stream.write(b"\xff")
    made = history.own_snapshots(state)
    assert made[1] == SnapshotRef(bad, None)
    assert [one.at for one in made] == [BEGAN + 2 * 86400, None, BEGAN]


@pytest.mark.parametrize("data", [b"", b"no database", b"SQLite format 3\0"])
def test_what_is_no_snapshot_is_damage_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(DamagedError):
        history.parse(data, tmp_path)
    assert os.listdir(tmp_path) == []


def test_rows_that_were_read_before_are_the_same_entries(tmp_path: Path) -> None:
    data, folder = image(tmp_path / "pacha.db", good()), tmp_path / "folder"
    folder.mkdir()
    known: dict[Row, object] = {}
    first = history.parse(data, folder, known)  # type: ignore[arg-type]
    second = history.parse(data, folder, known)  # type: ignore[arg-type]
    assert first == second == good()
    assert all(second.entries[path] is entry for path, entry in first.entries.items())
