"""Before a push scans, and what it remembers of a scan: something is watched, and no rebuild is half done."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from pacha.errors import PachaError, Signalled, UsageError
from pacha.files import content
from pacha.files.entry import Entry
from pacha.files.owners import Accounts
from pacha.host import owed, watch
from pacha.host.context import Context
from pacha.machine import facts
from pacha.machine.packages import program
from pacha.push import push
from pacha.push.scan import asking_for_packages, describe_machine, read_last_snapshot, scan
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Root
from pacha.store import database
from pacha.store.companions import MACHINE
from pacha.store.hg import Repository
from pacha.system import activity
from tests.support.amount import amount
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.scanning import change, no_wait  # noqa: F401  (a fixture)
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def interrupt_rebuild(bar: Standalone, root: bytes) -> str:
    """What a rebuild that was killed after its first change leaves; returns its id."""
    journal = Journal.begin(os.fsencode(bar.context().state.path), "bar")
    journal.write(Root(root))
    journal.mark("written")
    journal.sync()
    journal.close()
    return journal.id


def test_where_nothing_is_watched_nothing_is_pushed(bar: Standalone) -> None:
    watch.unwatch(bar.context(), bar.path)
    with pytest.raises(PachaError) as caught:
        read_last_snapshot(bar.session(), False)
    assert caught.value.code == "nothing-watched"


def test_what_a_killed_rebuild_left_is_not_recorded_unless_it_is_accepted(bar: Standalone) -> None:
    interrupted = interrupt_rebuild(bar, bar.path)
    bar.context().state.update(owed={b"/x": "absent"})
    with pytest.raises(PachaError) as caught:
        read_last_snapshot(bar.session(), False)
    assert caught.value.code == "rebuild-unfinished"
    read_last_snapshot(bar.session(), True)
    state = bar.context().state.read()
    assert state.accepted == (interrupted,) and state.owed == {}
    read_last_snapshot(bar.session(), True)  # as somebody does who gives it in every job
    read_last_snapshot(bar.session(), False)  # it is accepted from now on


def test_what_a_killed_rebuild_left_comes_before_what_a_fresh_machine_is_told(bar: Standalone) -> None:
    """It watches nothing yet, and must not be sent to watch and push what is only half there."""
    interrupt_rebuild(bar, bar.path)
    watch.unwatch(bar.context(), bar.path)
    with pytest.raises(PachaError) as caught:
        read_last_snapshot(bar.session(), False)
    assert caught.value.code == "rebuild-unfinished" and "'pacha rebuild bar'" in caught.value.hint
    assert "--accept" not in caught.value.hint  # a push that cannot be accepts nothing


def test_a_push_that_cannot_be_accepts_nothing(bar: Standalone) -> None:
    interrupt_rebuild(bar, bar.path)
    watch.unwatch(bar.context(), bar.path)
    with pytest.raises(PachaError) as caught:
        read_last_snapshot(bar.session(), True)
    assert caught.value.code == "nothing-watched" and bar.context().state.read().accepted == ()


def test_a_killed_rebuild_of_something_else_stops_no_push(bar: Standalone) -> None:
    interrupt_rebuild(bar, b"/elsewhere")
    assert read_last_snapshot(bar.session(), False).live


def test_a_path_that_has_become_the_masters_own_is_refused(bar: Standalone) -> None:
    (bar.top / "hosts").symlink_to(bar.tree)
    with pytest.raises(UsageError):
        read_last_snapshot(bar.session(), False)


def test_what_the_last_scan_saw_is_believed(bar: Standalone, settled: None) -> None:
    bar.push()
    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    assert session.fingerprints.keys() == last.entries.keys() and session.scan.entries == last.entries


@pytest.fixture(name="unread")
def no_reading(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The databases of which entries are read from now on."""
    read: list[str] = []
    real = database._read_entries
    monkeypatch.setattr(database, "_read_entries", lambda path: (read.append(path), real(path))[1])
    return read


def test_an_idle_push_reads_no_entries(bar: Standalone, settled: None, unread: list[str]) -> None:
    (bar.tree / "link").symlink_to("one")
    first = bar.push()
    unread.clear()
    beats = [json.loads((bar.master / "last-push").read_bytes())]
    second = bar.push()
    beats.append(json.loads((bar.master / "last-push").read_bytes()))
    assert not unread and not second.committed and second.paths == first.paths == 3
    for told in ("files", "size", "paths", "tip"):
        assert beats[0][told] == beats[1][told]
    (bar.tree / "one").write_text("more\n")
    third = bar.push()
    assert not unread and third.changes.content == (bar.path + b"/one",)
    assert sorted(database.read(bar.context().state.database).entries) == [bar.path, *named(bar, "link", "one")]


def named(bar: Standalone, *names: str) -> list[bytes]:
    return [os.fsencode(bar.tree / name) for name in names]


def test_a_push_of_little_reads_no_entries(bar: Standalone, settled: None, unread: list[str]) -> None:
    """Also where several paths are watched: what is new, changed, gone, or has another mode alone."""
    other = bar.top / "other"
    other.mkdir()
    (other / "two").write_text("two\n")
    watch.watch(bar.context(), os.fsencode(other))
    bar.push()
    unread.clear()
    (other / "folder").mkdir()
    (other / "folder" / "new").write_text("new\n")
    first = bar.push()
    assert first.changes.added == tuple(os.fsencode(other / name) for name in ("folder", "folder/new"))
    (bar.tree / "one").chmod(0o600)
    assert bar.push().changes.metadata == tuple(named(bar, "one"))
    (bar.tree / "one").unlink()
    last = bar.push()
    assert last.changes.removed == tuple(named(bar, "one")) and last.paths == 5 and not unread
    assert len(database.read(bar.context().state.database).entries) == 5


@pytest.mark.parametrize("how", ["owed", "reread", "owner", "database", "nothing"])
def test_what_may_not_be_as_recorded_is_compared(
    bar: Standalone, settled: None, unread: list[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    bar.push()
    state, one = bar.context().state, bar.path + b"/one"
    if how in ("owed", "reread"):
        state.update(**{how: {one: "absent"} if how == "owed" else (one,)})
    elif how == "database":
        database.write(state.database, replace(database.read(state.database), parents={}))
    elif how == "owner":
        monkeypatch.setattr(Accounts, "user_name", lambda accounts, uid: b"another")
    unread.clear()
    session = bar.session()
    scan(session, read_last_snapshot(session, False))
    assert bool(unread) is (how != "nothing")
    assert (session.scan.entries[one].owner == b"another") is (how == "owner")


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_a_file_given_to_another_while_it_is_read_is_counted_as_always(
    bar: Standalone, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose files are left then is not known, and all entries are looked at once more."""
    for name in "abcdef":
        (bar.tree / name).write_text(name)
    os.chown(bar.tree / "a", 7777, 7777)
    bar.push()
    real = content.read

    def read(entry: Entry, name: bytes, dir_fd: int) -> content.Reading:
        os.chown(bar.tree / "a", 0, 0)
        return real(entry, name, dir_fd)

    monkeypatch.setattr(content, "read", read)
    (bar.tree / "a").write_text("more")
    (bar.tree / "new").write_text("n")
    bar.push()
    beat = json.loads((bar.master / "last-push").read_bytes())
    files = [path for path in bar.tree.iterdir() if path.is_file()]
    assert (beat["files"], beat["size"]) == (len(files), sum(path.stat().st_size for path in files))


def test_what_could_not_be_kept_is_looked_at_again(bar: Standalone, settled: None) -> None:
    """Its entry is of before, and its fingerprint of now."""
    bar.push()
    (bar.tree / "one").write_text("more\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(content, "read", failing)
        assert push.push(bar.context()).concerns
    assert bar.push().changes.content == (bar.path + b"/one",)


def failing(*_: object) -> NoReturn:
    raise PermissionError(errno.EACCES, "no")


def test_the_configurations_rules_count(bar: Standalone) -> None:
    session = bar.session()
    scan(session, read_last_snapshot(session, False))
    assert bar.path + b"/one" in session.scan.entries
    assert activity.current().counted == len(session.scan.entries) > 0
    ruled = bar.session()
    ruled.context = bar.context(exclude="one")
    scan(ruled, read_last_snapshot(ruled, False))
    assert bar.path + b"/one" not in ruled.scan.entries


def test_mount_points_are_remembered_until_a_person_gives_them_up(bar: Standalone) -> None:
    bar.push()
    bar.context().state.update(mounted=(bar.path,))
    (bar.tree / "one").unlink()
    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    assert [concern.path for concern in session.scan.concerns] == [bar.path]
    assert session.scan.entries == last.entries and bar.path in session.scan.mounted
    read_last_snapshot(session, True)
    assert bar.context().state.read().mounted == ()


def test_what_was_owed_and_is_not_there_is_gone_once_it_is_given_up(bar: Standalone, settled: None) -> None:
    """Its folder lists the same as at the push before, which recorded it all the same."""
    bar.push()
    one = bar.path + b"/one"
    (bar.tree / "one").unlink()
    owed.remember(bar.context().state, [one], {})
    for _ in range(2):
        assert [concern.path for concern in push.push(bar.context()).concerns] == [one]
    assert push.push(bar.context(), accept=True).changes.removed == (one,)


def test_a_volume_that_went_with_its_mount_point_is_told_of_at_each_push(bar: Standalone, settled: None) -> None:
    (bar.tree / "volume").mkdir()
    (bar.tree / "volume" / "kept").touch()
    bar.push()
    volume = bar.path + b"/volume"
    bar.context().state.update(mounted=(volume,))
    shutil.rmtree(bar.tree / "volume")
    for _ in range(3):
        pushed = push.push(bar.context())
        assert [concern.path for concern in pushed.concerns] == [volume] and not pushed.changes.removed
        assert volume in bar.context().state.read().mounted


def test_facts_that_no_rebuild_would_read_are_named_and_not_recorded(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "collect", lambda: facts.Facts(kernel="6" * 5000))
    session = bar.session()
    assert MACHINE not in describe_machine(session)
    (concern,) = session.concerns
    assert concern.path == b"/sys" and "cannot be recorded" in concern.reason


@pytest.mark.parametrize("ending", [Signalled(15), PachaError("x", "", "", code="disk-refused")])
def test_a_push_that_ends_early_leaves_no_program_that_it_asked(
    bar: Standalone, manager: FakeManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: BaseException
) -> None:
    """It hangs, and only this process would have ended it."""
    script = f"sleep 600 & echo $$ $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pids; wait"
    monkeypatch.setattr(manager, "capture", lambda root: program.ask(["/bin/sh", "-c", script]))
    session = bar.session()
    last = read_last_snapshot(session, False)
    with pytest.raises(type(ending)), asking_for_packages(session, last) as told:
        while not (tmp_path / "pids").exists():
            time.sleep(0.01)
        raise ending
    assert told.done() and "packages" not in os.listdir(session.context.state.path)
    until = time.monotonic() + 30  # what was killed may still be on its way out
    while (left := [pid for pid in (tmp_path / "pids").read_text().split() if _runs(pid)]) and time.monotonic() < until:
        time.sleep(0.01)
    assert left == []


def _runs(pid: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


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
