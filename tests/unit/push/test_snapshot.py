"""The new snapshot: what the scan found on top of the last one, content before ``db``."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from pacha.errors import Concern
from pacha.files.metadata import Kind
from pacha.files.names import LONGEST_STORED
from pacha.host import watch
from pacha.host.context import Context
from pacha.host.packages import Told
from pacha.machine.packages import package_list
from pacha.push import push, reconcile
from pacha.push.scan import read_last_snapshot, scan
from pacha.push.snapshot import NewSnapshot, build_snapshot, commit_snapshot
from pacha.store import companions, database, history
from pacha.store.hg import Repository, open_lazily
from pacha.store.snapshot import Changes
from tests.support.amount import amount
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.scanning import change, no_wait  # noqa: F401  (a fixture)
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def committed(bar: Standalone) -> NewSnapshot:
    """A snapshot that is made here, without any master."""
    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    return commit_snapshot(session, reconcile.base(session, last))


def test_it_is_committed_here_as_pacha_db_has_it(bar: Standalone) -> None:
    new = committed(bar)
    here = bar.context().state
    assert new.committed and history.read(here, new.tip) == new.snapshot == database.read(here.database)
    assert here.read().tip == new.tip and not here.read().pending
    (watched,) = new.snapshot.live
    assert watched.node is not None
    assert Repository.open(here.repository("foo")).reader(watched.node)(b"one") == b"one\n"
    assert new.snapshot.entries[bar.path + b"/one"].sha256 is not None


def test_no_content_waits_for_what_is_told_of_the_packages(bar: Standalone) -> None:
    def told() -> Told:
        assert open_lazily(bar.context().state.repository("foo")).heads() != ()
        return Told(text=b"", concerns=(Concern(b"/var/lib", "it took long"),))

    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    session.told = told
    new = commit_snapshot(session, reconcile.base(session, last)).snapshot
    assert companions.key(companions.PACKAGES) in new.meta
    assert "it took long" in [concern.reason for concern in session.concerns]


def test_a_second_one_of_the_same_is_none(bar: Standalone) -> None:
    first, second = committed(bar), committed(bar)
    assert (second.tip, second.committed) == (first.tip, False)


def test_metadata_alone_makes_a_snapshot_and_no_content(bar: Standalone) -> None:
    first = committed(bar)
    (bar.tree / "one").chmod(0o600)
    second = committed(bar)
    assert second.committed and second.changes.metadata == (bar.path + b"/one",)
    assert second.snapshot.live == first.snapshot.live


def test_content_and_what_is_gone(bar: Standalone) -> None:
    committed(bar)
    (bar.tree / "one").unlink()
    (bar.tree / "two").symlink_to("nowhere")
    new = committed(bar)
    assert (new.changes.removed, new.changes.added) == ((bar.path + b"/one",), (bar.path + b"/two",))
    assert new.snapshot.entries[bar.path + b"/two"].kind is Kind.SYMLINK


def test_directories_above_are_recorded_and_their_time_alone_is_no_change(bar: Standalone) -> None:
    first = committed(bar)
    assert os.fsencode(bar.top) in first.snapshot.parents
    (bar.top / "neighbour").touch()
    assert not committed(bar).committed


def test_what_is_owed_stays_as_it_was_recorded(bar: Standalone) -> None:
    first = committed(bar)
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
    first = committed(bar)
    watch.unwatch(bar.context(), bar.path)
    new = committed(bar)
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


@pytest.mark.slow
@pytest.mark.parametrize("size", [10, 40 << 20])
def test_a_file_that_takes_the_place_of_a_scanned_one_keeps_its_own_mode(bar: Standalone, size: int) -> None:
    """What was public becomes a secret between scan and reading: no snapshot has the secret as readable by all."""
    (bar.tree / "one").write_bytes(bytes(size))
    (bar.tree / "one").chmod(0o755)
    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    (bar.tree / "new").touch(0o600)
    (bar.tree / "new").write_bytes(b"x" * size)
    (bar.tree / "new").rename(bar.tree / "one")
    kept = commit_snapshot(session, reconcile.base(session, last)).snapshot.entries[bar.path + b"/one"]
    assert (kept.mode, kept.sha256) == (0o600, hashlib.sha256(b"x" * size).digest())


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("seed", range(int(amount("PACHA_TWINS", sample=2, soak=40))))
def test_what_is_remembered_of_a_scan_changes_nothing_in_pacha_db(bar: Standalone, settled: None, seed: int) -> None:
    """One remembers each scan, its twin forgets them: they record the same, row by row."""
    choose, twin = random.Random(seed), bar.context("twin", hosts_path=f"{bar.top}/twins")
    alone = bar.top / "single"
    alone.write_text("single\n")
    watch.watch(twin, bar.path)
    for here in (bar.context(), twin) if seed % 2 else ():
        watch.watch(here, os.fsencode(alone), single=True)
    for _ in range(8):
        for _ in range(choose.randrange(4)):
            change(bar.tree, choose)
        (alone if choose.random() < 0.3 else bar.tree / "one").write_text(str(choose.random()))
        Path(twin.state.cache).unlink(missing_ok=True)
        ours, theirs = push.push(bar.context()), push.push(twin)
        assert (ours.changes, ours.paths, ours.concerns) == (theirs.changes, theirs.paths, theirs.concerns)
        assert recorded(bar.context()) == recorded(twin)


def recorded(here: Context) -> list[object]:
    """What ``here`` has recorded: the rows of all paths with their places, and all contents."""
    with database.connect(here.state.database) as connection:
        tables = ("entry", "account")  # the time of a parent is that of the first push of each
        rows = [connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in tables]
    live = database.read(here.state.database, whole=False).live
    return [rows, *(Repository.open(here.state.repository(top.repository)).names(top.node or "") for top in live)]
