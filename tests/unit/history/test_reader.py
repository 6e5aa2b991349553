"""A host's history: this machine's own where it lies, another's from the master, and what a path means in it."""

from __future__ import annotations

import os

import pytest

from pacha.errors import PachaError, UsageError
from pacha.files.metadata import Kind
from pacha.history.reader import file_of, open_history
from pacha.store.snapshot import Snapshot
from tests.support.entries import entry_at
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


def test_where_there_is_no_history_that_is_said(bar: Standalone) -> None:
    with pytest.raises(PachaError) as here, open_history(bar.context()):
        pass
    with pytest.raises(PachaError) as there, open_history(bar.context(), "foo"):
        pass
    with pytest.raises(UsageError), open_history(bar.context(), "../foo"):
        pass
    assert (here.value.code, there.value.code) == ("no-history", "host-history-missing")


@pytest.mark.parametrize(
    ("path", "code"),
    [(b"/link", "content-of-symlink"), (b"/dir", "not-a-regular-file"), (b"/pipe", "not-a-regular-file"),
     (b"/none", "path-not-in-snapshot")],
)  # fmt: skip
def test_only_a_regular_file_has_content(path: bytes, code: str) -> None:
    kinds = {b"/f": Kind.FILE, b"/link": Kind.SYMLINK, b"/dir": Kind.DIRECTORY, b"/pipe": Kind.FIFO}
    entries = {name: entry_at(name, kind, mode=0o644, owner=None, group=None) for name, kind in kinds.items()}
    assert file_of(Snapshot({}, (), entries), [b"/none", b"/f"]).path == b"/f"
    with pytest.raises(UsageError) as caught:
        file_of(Snapshot({}, (), entries), [path])
    assert caught.value.code == code
