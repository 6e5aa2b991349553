"""Where the rows of pacha.db are, and what a small change costs in the repository."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacha.files.amended import Amended
from pacha.files.entry import Entry
from pacha.store import database
from pacha.store.hg import NULL, Blob, Note, Repository
from tests.support.snapshots import file, snapshot


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "pacha.db")


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from([b"/w/%d" % n for n in range(9)]), st.integers(0, 3)), max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_any_series_of_snapshots(series: list[dict[bytes, int]]) -> None:
    path = os.path.join(os.environ["TMPDIR"], "pacha.db")
    if os.path.exists(path):
        os.unlink(path)  # of the last example
    ids: dict[bytes, int] = {}
    for contents in series:
        made = snapshot(*(file(name, mode=mode) for name, mode in contents.items()))
        database.write(path, made)
        assert database.read(path) == made
        now = rows(path)
        assert all(now[name] == ids[name] for name in now.keys() & ids.keys()), "a row has moved"
        assert len(set(now.values())) == len(now)
        ids = now


def rows(path: str) -> dict[bytes, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT path, id FROM entry").fetchall())


def test_the_place_of_a_vanished_row_is_taken_by_a_new_one(path: str) -> None:
    database.write(path, snapshot(*(file(b"/w/%d" % number) for number in range(10))))
    before = rows(path)
    database.write(path, snapshot(*(file(b"/w/%d" % number) for number in range(10) if number != 4), file(b"/w/new")))
    assert rows(path)[b"/w/new"] == before[b"/w/4"]


def cost(tmp_path: Path, change: Callable[[dict[bytes, Entry]], None]) -> tuple[int, int]:
    """Bytes that the first commit of 8,000 entries takes, and bytes that ``change`` adds."""
    entries = {e.path: e for e in (file(b"/w/dir%02d/file%05d" % (n % 80, n)) for n in range(8000))}
    path = str(tmp_path / "pacha.db")
    repository = Repository.open(str(tmp_path / "db"), create=True)
    node, sizes = NULL, [0]
    for step in (lambda entries: None, change):
        step(entries)
        database.write(path, snapshot(*entries.values()))
        image = database.image(path)
        node = repository.commit(node, [b"pacha.db"], [], lambda name, image=image: Blob(image), Note("m", "u", 1.0))
        sizes.append(sum(p.stat().st_size for p in Path(repository.path).rglob("*") if p.is_file()))
    return sizes[1], sizes[2] - sizes[1]


def added(entries: dict[bytes, Entry]) -> None:
    entries[b"/w/dir00/a-new-file"] = file(b"/w/dir00/a-new-file")


def added_and_changed(entries: dict[bytes, Entry]) -> None:
    for number in range(10):
        path = b"/w/dir%02d/file%05d" % (number * 7, number * 7)
        entries[path] = entries[path]._replace(mtime_ns=5, sha256=b"\x55" * 32)
        entries[b"/w/new%d" % number] = file(b"/w/new%d" % number)


def taken_away(entries: dict[bytes, Entry]) -> None:
    del entries[b"/w/dir40/file00040"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("change", "most"), [(added, 2_000), (added_and_changed, 15_000), (taken_away, 2_000)])
def test_a_small_change_among_eight_thousand_is_a_small_commit(
    tmp_path: Path, change: Callable[[dict[bytes, Entry]], None], most: int
) -> None:
    first, then = cost(tmp_path, change)
    assert first > 300_000
    assert 0 < then < most


def test_what_differs_takes_the_same_places_whether_the_rest_is_looked_at_or_not(tmp_path: Path) -> None:
    choose, names = random.Random(3), [b"/w/%d" % number for number in range(30)]
    one, two = str(tmp_path / "one.db"), str(tmp_path / "two.db")
    entries = {name: file(name) for name in names[::2]}
    for path in (one, two):
        database.write(path, snapshot(*entries.values()))
    for _ in range(60):
        last = database.read_lazily(one)
        changed = {name: file(name, size=choose.randrange(3)) for name in choose.sample(names, choose.randrange(5))}
        removed = frozenset(entries.keys() & set(choose.sample(names, 3))) - changed.keys()
        amended = Amended(last.entries, changed, removed)
        entries = {path: entry for path, entry in {**entries, **changed}.items() if path not in removed}
        database.write(one, replace(last, entries=amended), last)
        database.write(two, snapshot(*entries.values()))
        rows = [dump(path) for path in (one, two)]
        assert rows[0] == rows[1] and len(rows[0]) == len(amended)


def dump(path: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM entry ORDER BY id").fetchall()


def test_a_row_that_is_missing_is_written_whatever_is_said_to_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "pacha.db")
    one, two = file(b"/w/one"), file(b"/w/two")
    database.write(path, snapshot(one))
    database.write(path, snapshot(one, two, file(b"/w/three")), snapshot(one, two))
    assert database.read(path).entries.keys() == {b"/w/one", b"/w/two", b"/w/three"}


@pytest.mark.parametrize("held", [[b"/w/one"], [b"/w/one", b"/w/other"], [b"/w/one", b"/w/two", b"/w/other"]])
def test_differences_from_what_is_not_there_are_not_all_that_is_written(tmp_path: Path, held: list[bytes]) -> None:
    path = str(tmp_path / "pacha.db")
    database.write(path, snapshot(*map(file, held)))
    said = snapshot(file(b"/w/one"), file(b"/w/two"))
    differing = Amended(said.entries, {name: file(name, size=1) for name in (b"/w/two", b"/w/three")})
    database.write(path, replace(said, entries=differing), said)
    assert database.read(path).entries == differing
