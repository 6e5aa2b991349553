"""Where what is fetched is damaged, the newest snapshot that is whole is offered."""

from __future__ import annotations

import shutil

import pytest

from pacha.errors import DamagedError
from pacha.fetch import fallback
from pacha.fetch.fetch import fetch
from tests.support.rot import flip, snapshots, staging
from tests.support.world import World, one_world, original_world  # noqa: F401  (fixtures)

pytestmark = [
    pytest.mark.soak,
    pytest.mark.usefixtures("as_root"),
    # Mercurial leaves files of its own open for the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def offered(world: World) -> str:
    with staging(world) as made, pytest.raises(DamagedError) as caught:
        fetch(made)
    return caught.value.hint


def test_the_newest_snapshot_that_is_whole_is_offered(world: World) -> None:
    flip(world.store("opt") / "data" / "one.i", -1)
    assert offered(world).endswith(
        f"The newest snapshot that is whole: pacha rebuild bar --at {snapshots(world)[1][:12]}"
    )


def test_a_database_that_is_damaged_gives_way_to_the_one_before(world: World) -> None:
    flip(world.store("db") / "data" / "pacha.db.i", -1)
    assert f"--at {snapshots(world)[1][:12]}" in offered(world)


def test_one_that_names_what_is_not_there_gives_way_to_the_one_before(world: World) -> None:
    world.execute(f"UPDATE watched SET node = '{'1' * 40}'")
    assert f"--at {snapshots(world)[1][:12]}" in offered(world)


def test_several_bad_ones_are_passed_over(world: World) -> None:
    world.execute("UPDATE entry SET mode = 65536")
    world.execute("UPDATE entry SET sha256 = zeroblob(32) WHERE sha256 IS NOT NULL")
    world.execute("UPDATE entry SET parts = 3 WHERE kind = 'f'")
    assert f"--at {snapshots(world)[3][:12]}" in offered(world)


@pytest.mark.parametrize("spoilt", ["data/two.i", "00manifest.i"])
def test_where_none_is_whole_that_is_said(world: World, spoilt: str) -> None:
    flip(world.store("opt") / spoilt, 70)
    assert offered(world).endswith("No older snapshot is whole.")
    shutil.rmtree(world.repository("opt"))
    assert offered(world).endswith("No older snapshot is whole.")


def test_a_list_of_snapshots_that_cannot_be_read_offers_nothing(world: World) -> None:
    (world.store("db") / "00changelog.i").write_bytes(b"\xff" * 500)
    assert "--at" not in offered(world)


def test_the_search_ends_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fallback.suggest_older_snapshot, "__defaults__", (0.0,))
    flip(world.store("opt") / "data" / "one.i", -1)
    assert "None that is whole was found in 0 seconds" in offered(world)
