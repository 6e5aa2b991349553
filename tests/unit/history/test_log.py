"""The log: every snapshot, newest first, with what it touched; of a path only those that touched it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from pacha.history.access import open_history
from pacha.history.log import LogEntry, log
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def logged(bar: Standalone, *paths: str) -> Sequence[LogEntry]:
    with open_history(bar.context()) as past:
        return list(log(past, [os.fsencode(bar.tree / path) for path in paths]))


def test_each_snapshot_with_its_message_and_what_it_touched_of_a_path(bar: Standalone) -> None:
    tips = [bar.push("the first").tip]
    (bar.tree / "sub").mkdir()
    (bar.tree / "sub/two").write_text("two\n")
    tips.append(bar.push().tip)
    (bar.tree / "one").chmod(0o600)
    tips.append(bar.push().tip)
    newest, middle, oldest = every = logged(bar)
    assert [one.node for one in every] == tips[::-1]
    assert (oldest.message, middle.message) == ("the first", "") and "@" in oldest.user
    assert oldest.touched == {"added": 2} and newest.touched == {"metadata": 1}
    assert middle.touched["added"] == 2
    assert [one.node for one in logged(bar, "one")] == [tips[2], tips[0]]
    assert [(one.node, one.touched["added"]) for one in logged(bar, "sub")] == [(tips[1], 2)]
    assert logged(bar, "on", "none") == []
