"""A machine that lost its state folder is led to restore-db, and a watch that came first is not in its way."""

from __future__ import annotations

import os

import pytest

from pacha.errors import PachaError
from pacha.host import doctor, overview, watch
from pacha.push import push
from pacha.rebuild.restore_db import restore_db
from pacha.store import database
from tests.support.world import World, one_world, original_world  # noqa: F401  (fixtures)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_everything_that_speaks_of_an_empty_state_folder_names_restore_db_first(world: World) -> None:
    lost = world.here("lost")
    assert overview.overview(lost).steps[0][0] == "pacha restore-db bar"
    with pytest.raises(PachaError, match="Nothing is watched") as refused:
        push.push(lost)
    cures = [refused.value.hint, *(one.cure for one in doctor.inspect(lambda: lost.config, lost.state))]
    first = [cure for cure in cures if "pacha watch" in cure]
    assert len(first) == 3 and all("restore-db bar" in cure.partition("pacha watch")[0] for cure in first)


def test_one_that_watched_before_is_still_led_there_and_let_in(world: World) -> None:
    lost, beside = world.here("lost"), world.top / "beside"
    beside.mkdir()
    for path in (world.tree / "below", beside):
        watch.watch(lost, os.fsencode(path))
    with pytest.raises(PachaError, match="Another machine") as refused:
        push.push(lost)
    assert refused.value.hint.startswith("If it is that machine, and lost its state folder: pacha restore-db bar")
    warnings: list[str] = []
    restored = restore_db(lost, "bar", warnings.append)
    assert {entry.path for entry in restored.watched} == {os.fsencode(world.tree), os.fsencode(beside)}
    assert database.read(lost.state.database).live == restored.watched
    assert lost.state.read().failure == "", "status would go on telling to run restore-db"
    assert len(warnings) == 1 and f"{world.tree}/below is not watched as such" in warnings[0]
    pushed = push.push(lost)
    assert pushed.failure is None and pushed.changes.added == (os.fsencode(beside),)


def test_what_was_made_here_is_not_lost(world: World) -> None:
    with pytest.raises(PachaError, match="history of 'bar' here already"):
        restore_db(world.here("bar"), "bar")
