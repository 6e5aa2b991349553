"""Each line of a file has the snapshot that brought it in."""

from __future__ import annotations

import os
from unittest.mock import patch

import pytest

from pacha.errors import DamagedError, UsageError
from pacha.files import content
from pacha.history.access import open_history
from pacha.history.annotate import annotate
from pacha.history.lookup import file_of
from pacha.history.reader import History
from pacha.host import watch
from pacha.store import hg
from pacha.store.snapshot import Snapshot
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def annotated(bar: Standalone, name: str = "one", at: str = "", host: str = "") -> list[tuple[str, bytes]]:
    with open_history(bar.context("elsewhere" if host else "state"), host) as past:
        revision = past.find(at)
        snapshot = past.snapshot(revision)
        entry = file_of(snapshot, [os.fsencode(bar.tree / name)])
        return [(line.revision.node, line.text) for line in annotate(past, snapshot, entry, revision)]


def pushed(bar: Standalone, text: str, name: str = "one") -> str:
    (bar.tree / name).write_text(text)
    return bar.push().tip


@pytest.mark.slow
def test_a_line_has_the_first_snapshot_that_has_it(bar: Standalone) -> None:
    first = pushed(bar, "a\nb\n")
    pushed(bar, "of another file\n", "other")
    third = pushed(bar, "a\nnew\nb\nlast")
    pushed(bar, "and another\n", "other")
    assert annotated(bar) == [(first, b"a\n"), (third, b"new\n"), (first, b"b\n"), (third, b"last")]
    assert annotated(bar, at=first) == [(first, b"a\n"), (first, b"b\n")]
    assert annotated(bar, host="bar") == annotated(bar)


def test_an_empty_file_and_a_name_that_is_stored_escaped(bar: Standalone) -> None:
    first = pushed(bar, "x\n", "a\nb")
    pushed(bar, "")
    assert annotated(bar, "a\nb") == [(first, b"x\n")] and annotated(bar) == []


def test_a_folder_that_is_watched_by_itself_begins_anew(bar: Standalone) -> None:
    (bar.tree / "sub").mkdir()
    first = pushed(bar, "a\n", "sub/two")
    watch.unwatch(bar.context(), bar.path)
    watch.watch(bar.context(), os.fsencode(bar.tree / "sub"))
    second = bar.push().tip
    pushed(bar, "a\nb\n", "sub/two")
    assert annotated(bar, "sub/two")[0] == (second, b"a\n")
    assert annotated(bar, "sub/two", at=first) == [(first, b"a\n")]


def test_content_without_a_snapshot_came_in_with_the_next(bar: Standalone) -> None:
    first = pushed(bar, "a\n")
    with patch("pacha.push.database.commit_database", side_effect=RuntimeError), pytest.raises(RuntimeError):
        pushed(bar, "a\nb\n")
    second = pushed(bar, "a\nb\nc\n")
    assert annotated(bar) == [(first, b"a\n"), (second, b"b\n"), (second, b"c\n")]


def test_a_snapshot_that_cannot_be_read_is_passed_over(bar: Standalone) -> None:
    tips = [pushed(bar, "a\n" * number) for number in range(1, 4)]
    plain = History.snapshot

    def spoilt(history: History, revision: hg.Revision) -> Snapshot:
        if revision.node == tips[1]:
            raise DamagedError("It cannot be read.", code="named-snapshot-unreadable")
        return plain(history, revision)

    with patch.object(History, "snapshot", spoilt):
        assert [node for node, _ in annotated(bar)] == [tips[0], tips[2], tips[2]]


@pytest.mark.slow
def test_what_has_no_lines_is_refused(bar: Standalone) -> None:
    pushed(bar, "a\0b\n", "binary")
    with pytest.raises(UsageError, match="no lines to annotate") as refused:
        annotated(bar, "binary")
    assert refused.value.code == "no-lines"
    with open(bar.tree / "large", "wb") as large:
        large.truncate(content.WHOLE_LIMIT + 1)
    bar.push()
    with pytest.raises(UsageError, match="no lines to annotate"):
        annotated(bar, "large")
    with patch("pacha.history.annotate._MOST_LINES", 1):
        pushed(bar, "a\nb\n")
        with pytest.raises(UsageError, match="no lines to annotate"):
            annotated(bar)
