"""What is owed: it is kept as it was recorded, as long as there is a place for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.files.entry import Kind
from pacha.host import doctor, overview, owed, status
from pacha.restore.journal import AFTER, DONE, Journal
from pacha.restore.journal_records import Root
from pacha.store import database
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder
from tests.support.entries import entry_at
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

FOLDER = entry_at(b"/w/d", Kind.DIRECTORY)
CHILD = entry_at(b"/w/d/f", size=1, sha256=b"s" * 32, stored=b"d/f")
TOP = FOLDER._replace(path=b"/w")
RECORDED = {entry.path: entry for entry in (TOP, FOLDER, CHILD)}


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """Neither the folder nor what is in it could be restored."""
    folder = StateFolder(tmp_path / "state")
    owed.remember(folder, [FOLDER.path, CHILD.path], {})
    return folder


def test_what_could_not_be_restored_is_kept_as_it_was(state: StateFolder) -> None:
    assert owed.keep_recorded(state, {b"/w": TOP}, RECORDED) == (RECORDED, {FOLDER.path, CHILD.path})


def test_what_has_no_place_any_more_is_not_kept(state: StateFolder) -> None:
    """Somebody has put a file where the folder was to be: no snapshot may have a file in a file."""
    found = {b"/w": TOP, b"/w/d": CHILD._replace(path=b"/w/d", stored=b"d")}
    assert owed.keep_recorded(state, found, RECORDED) == (found, frozenset())


def test_a_watched_file_has_its_place_outside(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "state")
    owed.remember(folder, [CHILD.path], {})
    assert owed.keep_recorded(folder, {}, {CHILD.path: CHILD}) == ({CHILD.path: CHILD}, {CHILD.path})


def test_what_more_is_recorded_since_is_no_change(tmp_path: Path) -> None:
    """The mark of a path is the same whether its project and its holes are known or not."""
    folder, entries = StateFolder(tmp_path / "state"), {b"/w": TOP, FOLDER.path: FOLDER, CHILD.path: CHILD}
    owed.remember(folder, [CHILD.path], entries)
    now = entries | {CHILD.path: CHILD._replace(project=9, holes=())}
    assert owed.keep_recorded(folder, now, RECORDED)[1] == {CHILD.path}


def interrupted(bar: Standalone, target: bytes = b"", came_to: tuple[str, ...] = ("written",)) -> str:
    """A killed rebuild of the host foo on a machine that watches nothing; returns its id."""
    context = bar.context("fresh")
    journal = Journal.begin(bytes(context.state.path), "foo", target=target)
    journal.write(Root(bar.path))
    for word in came_to:
        journal.mark(word)
    journal.close()
    return journal.id


@pytest.mark.parametrize("came_to", [("written",), ("written", "finished"), ("written", AFTER, "finished")])
def test_a_killed_rebuild_of_a_fresh_machine_is_named_wherever_one_looks(
    bar: Standalone, came_to: tuple[str, ...]
) -> None:
    """Nothing is watched there yet: the list comes with the last step of the rebuild."""
    begun, context = interrupted(bar, came_to=came_to), bar.context("fresh")
    assert status.status(context).unfinished == (begun,)
    seen = overview.overview(context)
    assert ("rebuild", "interrupted") in seen.lines and seen.steps[0][0] == "pacha rebuild foo"
    checks = [*doctor.inspect(lambda: context.config, context.state)]
    cures = {check.about: check.cure for check in checks}
    assert "'pacha rebuild foo'" in cures["rebuild"] and "restore-db" not in cures["watched"]


def test_a_rebuild_that_ended_while_the_machine_became_the_host_is_named(bar: Standalone) -> None:
    """It watches what the host did already, but would push it by another name."""
    context, last = bar.context("fresh"), database.read(bar.context().state.database)
    begun = interrupted(bar, came_to=("written", "finished"))
    assert [each.id for each in owed.interrupted_rebuilds(context.state, last)] == [begun]
    context.state.update(tip="0" * 40)
    assert owed.interrupted_rebuilds(context.state, last) == []


@pytest.mark.parametrize("end", [(), ("finished",)])
def test_a_rehearsal_what_came_to_its_end_and_what_was_accepted_are_not(bar: Standalone, end: tuple[str, ...]) -> None:
    context = bar.context("fresh")
    interrupted(bar, target=b"/elsewhere", came_to=("written", *end))
    interrupted(bar, came_to=("stopped",))
    for last in (DONE, "undone"):
        interrupted(bar, came_to=("written", "finished", last))
        assert owed.interrupted_rebuilds(context.state, Snapshot()) == []
    context.state.update(accepted=(interrupted(bar, came_to=("written", *end)),))
    assert owed.interrupted_rebuilds(context.state, Snapshot()) == []
