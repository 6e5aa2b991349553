"""The new snapshot: what the scan found on top of the last one, content before ``db``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.files.names import LONGEST_STORED
from pacha.host import watch
from pacha.machine.packages import package_list
from pacha.push import push, reconcile
from pacha.push.scan import read_last_snapshot, scan
from pacha.push.snapshot import build_snapshot, commit_snapshot
from pacha.store import history
from pacha.store.snapshot import Changes
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.scanning import change, no_wait  # noqa: F401  (a fixture)
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_directories_above_are_recorded_and_their_time_alone_is_no_change(bar: Standalone) -> None:
    first = bar.snapshot()
    assert os.fsencode(bar.top) in first.snapshot.parents
    (bar.top / "neighbour").touch()
    assert not bar.snapshot().committed


def test_what_is_owed_stays_as_it_was_recorded(bar: Standalone) -> None:
    first = bar.snapshot()
    (bar.tree / "one").unlink()
    bar.context().state.update(owed={bar.path + b"/one": "absent"})
    session = bar.session()
    scan(session, first.snapshot)
    new, still_owed = build_snapshot(session, first.snapshot)
    one = bar.path + b"/one"
    assert set(still_owed) == {one} and new.entries[one] == first.snapshot.entries[one]


def test_a_path_that_is_not_watched_any_more_leaves_the_snapshot_and_stays_in_the_history(bar: Standalone) -> None:
    (bar.top / "other").mkdir()
    watch.watch(bar.context(), os.fsencode(bar.top / "other"))
    first = bar.snapshot()
    watch.unwatch(bar.context(), bar.path)
    new = bar.snapshot()
    assert set(new.snapshot.entries) == {os.fsencode(bar.top / "other")}
    assert history.read(bar.context().state, first.tip).entries.keys() > new.snapshot.entries.keys()


def test_a_path_that_mercurial_cannot_hold_is_named_and_stops_nothing(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bar.tree)  # each step is short, whatever the path comes to
    for _ in range(LONGEST_STORED // 251 + 1):
        Path("d" * 250).mkdir()
        monkeypatch.chdir("d" * 250)
        Path("f").touch()
    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    new = commit_snapshot(session, reconcile.base(session, last)).snapshot
    (concern,) = session.concerns
    assert concern.reason.startswith("not kept, as Mercurial holds no path") and len(concern.path) > LONGEST_STORED
    assert concern.path not in new.entries and os.path.dirname(concern.path) in new.entries
    assert {bar.path + b"/one", os.path.dirname(os.path.dirname(concern.path)) + b"/f"} <= new.entries.keys()


def test_changed_packages_make_a_snapshot_that_lists_them(bar: Standalone, manager: FakeManager) -> None:
    first = bar.push()
    assert first.packages == () and bar.push().committed is False and manager.asked == 1
    manager.upgrade("2")
    second = bar.push()
    assert second.committed and second.packages == ("nginx 1 -> 2",) and second.changes == Changes()
    repository = bar.session().repository("db")
    assert repository.note(second.tip).message == "bar: no path changed, 1 package"
    assert repository.reader(second.tip)(b"changes").endswith(b"P nginx 1 -> 2\n")
    (bar.tree / "one").write_text("more\n")
    assert bar.push().packages == ()


def test_packages_that_cannot_be_told_stop_no_push(bar: Standalone, manager: FakeManager) -> None:
    first = bar.push()
    manager.upgrade("2")
    manager.hangs = True
    (bar.tree / "one").write_text("more\n")
    pushed = push.push(bar.context())
    assert pushed.committed and pushed.masters and len(pushed.concerns) == 1
    reader = bar.session().repository("db").reader
    assert reader(pushed.tip)(b"packages") == reader(first.tip)(b"packages")
    manager.hangs = False
    assert bar.push().packages == ("nginx 1 -> 2",)


def test_a_list_that_the_parent_has_and_nobody_can_read_is_no_reason_to_stop(
    bar: Standalone, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    bar.push()
    manager.upgrade("2")
    real = package_list.decode
    monkeypatch.setattr(package_list, "decode", lambda text: real(text if b'"2"' in text else b"{}"))
    assert bar.push().packages == ()
