"""A host's snapshots are the same where they lie, and from the master."""

from __future__ import annotations

import os

import pytest

from pacha.history.access import open_history
from pacha.history.lookup import file_of
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_history_is_the_same_from_here_and_from_the_master(bar: Standalone) -> None:
    first = bar.push().tip
    (bar.tree / "one").write_text("changed\n")
    second = bar.push().tip
    for context, own in ((bar.context(), True), (bar.context("elsewhere", hostname="other"), False)):
        with open_history(context, "bar") as past:
            assert (past.host, past.own, list(past.entries)) == ("bar", own, [second, first])
            newest, oldest = past.find(""), past.find(first[:12])
            assert (newest.node, oldest.node) == (second, first)
            assert past.before(newest) == oldest and past.before(oldest) is None
            for revision, text in ((newest, b"changed\n"), (oldest, b"one\n")):
                snapshot = past.snapshot(revision)
                assert b"".join(past.content(snapshot, file_of(snapshot, [bar.path + b"/one"]))) == text
            assert list(past.unreadable) == []
    assert os.listdir(os.environ["TMPDIR"]) == []
