"""What is owed: it is kept as it was recorded, as long as there is a place for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.files.metadata import Kind
from pacha.host import owed
from pacha.store.state import StateFolder
from tests.support.entries import entry_at

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
