"""What a rebuild makes this machine's own: the list of what is watched, shown before, and no more of a forged file."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pacha.errors import PachaError
from pacha.host import owed, watch
from pacha.push import push
from pacha.rebuild import adoption, rebuild, restore_db, result, undo
from pacha.rebuild.options import RebuildOptions
from pacha.restore import install
from pacha.store import database
from pacha.store.selection import Selection
from tests.support.stage import copy
from tests.support.world import World, one_world, original_world  # noqa: F401  (fixtures)

# What Mercurial leaves open is its own, and closed by the end of a process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

_COLUMNS = "path BLOB, kind TEXT, repository TEXT, node TEXT, exclude TEXT, one_filesystem INTEGER{} , retired INTEGER"


def with_one_row(connection: sqlite3.Connection) -> None:
    """A table that has room for one watched path: what is written next replaces it."""
    connection.executescript(
        "ALTER TABLE watched RENAME TO before;"
        f"CREATE TABLE watched (id INTEGER PRIMARY KEY, {_COLUMNS.format(' UNIQUE')});"
        "INSERT INTO watched SELECT * FROM before; DROP TABLE before;"
    )


def with_an_index(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE UNIQUE INDEX forged ON watched (one_filesystem)")


def more(world: World) -> Path:
    """A folder that nobody watches yet."""
    folder = world.top / "more"
    folder.mkdir()
    (folder / "file").write_text("more\n")
    return folder


@pytest.mark.parametrize("forge", [with_one_row, with_an_index])
@pytest.mark.parametrize("by", ["rebuild", "restore-db"])
def test_tables_that_would_forget_what_is_watched_are_not_taken(world: World, forge: object, by: str) -> None:
    world.spoil(forge)  # type: ignore[arg-type]
    here = world.here()
    if by == "rebuild":
        world.rebuild()
    else:
        restore_db.restore_db(here, "bar")
    watch.watch(here, os.fsencode(more(world)))
    done = push.push(here)
    assert done.failure is None
    live = {watched.path for watched in database.read(here.state.database).live}
    assert live == {bytes(world.tree), bytes(world.top / "more")}


def only_one(world: World) -> result.Rebuilt:
    """A rebuild of one path on the living host."""
    asked = Selection(paths=((bytes(world.tree / "two"),),))
    return rebuild.rebuild(world.here("bar"), "bar", RebuildOptions(asked=asked))


def test_a_snapshot_that_a_push_refused_is_not_this_machines_own_history(world: World) -> None:
    world.execute("UPDATE meta SET value = 'another' WHERE key = 'machine'")
    world.execute("UPDATE entry SET mode = 2541 WHERE path = @two@")  # 04755
    with pytest.raises(PachaError, match="Another machine"):
        push.push(world.here("bar"))
    rebuilt = only_one(world)
    assert [one.reason for one in rebuilt.concerns if "does not remember making" in one.reason]


def test_a_newer_snapshot_that_this_machine_did_not_make_is_told_before_a_rebuild(world: World) -> None:
    world.execute("UPDATE watched SET exclude = '[\"*\"]'")
    proposal = rebuild.propose(world.here("bar"), "bar")
    told = {concern.path: concern.reason for concern in proposal.concerns}
    assert "does not remember making" in told[b"local"]
    assert "here: none; there: *" in told[bytes(world.tree)]
    assert not rebuild.propose(world.here(), "bar").concerns, "a new machine has nothing to compare with"


def test_a_volume_that_is_not_mounted_is_told_before_a_rebuild_fills_its_mount_point(world: World) -> None:
    here, tree = world.here("bar"), bytes(world.tree)
    here.state.update(mounted=(tree, b"/elsewhere"))
    told = {concern.path: concern.reason for concern in rebuild.propose(here, "bar").concerns}
    assert told.keys() == {tree} and "not mounted now" in told[tree]
    below = RebuildOptions(target=os.fsencode(world.top / "target"))
    assert not rebuild.propose(here, "bar", below).concerns


def test_what_was_watched_and_not_pushed_is_told_before_a_rebuild_forgets_it(world: World) -> None:
    here, folder = world.here("bar"), more(world)
    watch.watch(here, os.fsencode(folder))
    proposal = rebuild.propose(here, "bar")
    assert proposal.is_grave, "a person is asked"
    [told] = proposal.concerns
    assert told.path == bytes(folder) and "pacha watch" in told.reason


@pytest.mark.parametrize("aside", [False, True], ids=["pacha.db here", "pacha.db moved aside"])
def test_a_master_that_was_set_back_is_named_by_the_machine_that_left_more(world: World, aside: bool) -> None:
    older = copy(world.repository(""), world.top / "older")
    here = world.here("bar")
    (world.tree / "one").write_text("later\n")
    tip = push.push(here).tip
    shutil.rmtree(world.repository(""))
    older.rename(world.repository(""))
    if aside:
        os.unlink(here.state.database)
    told = [concern.reason for concern in rebuild.propose(here, "bar").concerns]
    assert any("it was set back" in reason and tip[:12] in reason for reason in told), told


def test_a_rebuild_does_not_forget_what_was_left_on_another_master(world: World) -> None:
    here = world.here("bar")
    left = replace(here.state.read().masters["local"], tried=1.0)
    here.state.update(masters={"local": left, "second": left})
    rebuild.rebuild(here, "bar")
    known = here.state.read().masters
    assert known["second"] == replace(left, changelog=None, contents=None)
    assert known["local"].sent == left.sent


@pytest.mark.parametrize("machine", ["bar", "fresh"])
def test_a_rebuild_that_is_killed_while_it_adopts_leaves_no_fingerprints_and_no_other_name(
    world: World, monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    """They are of what was recorded here before, and a push would make another host of it."""
    here, real = world.here(machine), database.write
    assert os.path.exists(here.state.cache) == (machine == "bar")

    def killed(*arguments: Any) -> NoReturn:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        rebuild.rebuild(here, "bar")
    assert not os.path.exists(here.state.cache) and here.state.read().hostname == "bar"


def test_a_rebuild_that_is_killed_once_it_adopted_has_told_what_is_owed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next push would record as gone what could not be put back."""
    here, real = world.here("bar"), adoption.adopt
    (world.tree / "two").unlink()

    def fail(name: bytes, *arguments: Any) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def killed(*arguments: Any) -> NoReturn:
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(install, "put", fail)
    monkeypatch.setattr(adoption, "adopt", killed)
    with pytest.raises(KeyboardInterrupt):
        rebuild.rebuild(here, "bar")
    assert os.fsencode(world.tree / "two") in owed.paths(here.state)


@pytest.mark.parametrize(("name", "still"), [("fresh", "bar"), ("bar", "")], ids=["a new machine", "bar itself"])
def test_an_undo_tells_which_host_the_machine_became(world: World, name: str, still: str) -> None:
    (world.tree / "two").write_text("changed meanwhile\n")
    if still:
        assert rebuild.rebuild(world.here(name), "bar").adopted
    else:
        only_one(world)
    assert undo.undo(world.here(name)).pushes_as == still
    assert (world.tree / "two").read_text() == "changed meanwhile\n"
