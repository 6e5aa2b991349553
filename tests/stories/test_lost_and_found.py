"""What goes wrong between host and master is mended by the next run: history stays whole, nothing is refused."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import sshd as server
from tests.support.amount import amount
from tests.support.mercurial import run_hg
from tests.support.rebuilding import check_rebuild, make_tree
from tests.support.sshd import Account, Sshd, account
from tests.support.stage import Host, Stage, changed, copy, on_stage, own, picture, said

pytestmark = pytest.mark.soak

KILLS = int(amount("PACHA_KILLS", sample=5, soak=100))


@pytest.fixture(scope="module")
def played(sshd: Sshd, bar_user: Account) -> Iterator[tuple[Stage, Path]]:
    """A stage on which ``bar`` has pushed ``opt/foo``, and a copy of it."""
    with on_stage(sshd, bar_user) as stage, on_stage(sshd, bar_user) as beside:
        host = stage.host("bar")
        host.watch(make_tree(stage.folder / "opt" / "foo"))
        host.push()
        yield stage, copy(stage.folder, beside.folder / "copy")


@pytest.fixture
def pushed(played: tuple[Stage, Path]) -> Host:
    """The host as it was then, whatever the last test did."""
    stage, kept = played
    shutil.rmtree(stage.folder)
    copy(kept, stage.folder)
    return stage.resume("bar")


def change(tree: Path, text: str) -> None:
    """Another content, one more file, one less."""
    (tree / "one").write_text(text)
    (tree / f"new {text}").write_text(text)
    (tree / "below" / "three").unlink(missing_ok=True)


def heads(host: Host, name: str) -> int:
    """How many heads a repository of the master has."""
    return len(run_hg("-R", str(host.repository(name)), "heads", "--template", "{node}\n").splitlines())


def snapshots(host: Host) -> int:
    """How many snapshots the master has."""
    return len(run_hg("-R", str(host.repository("db")), "log", "--template", "{node}\n").splitlines())


@contextmanager
def unwritable(repository: Path) -> Iterator[None]:
    """As long as it lasts the master's account cannot write a repository."""
    folders = [repository / ".hg", repository / ".hg" / "store"]
    for folder in folders:
        folder.chmod(0o500)
    try:
        yield
    finally:
        for folder in folders:
            folder.chmod(0o700)


@pytest.fixture
def tree(stage: Stage) -> Path:
    """What is watched: a few files."""
    return make_tree(stage.folder / "opt" / "foo")


@pytest.fixture
def foo(pushed: Host) -> Path:
    """What that host watches."""
    return pushed.stage.folder / "opt" / "foo"


def push_without_db(host: Host) -> None:
    """A push of which the master gets the content, but not ``db``."""
    before = host.on_master()
    with unwritable(host.repository("db")):
        said(host.push(code=11), "db", "Permission denied")
    after = host.on_master()
    assert after["db"] == before["db"] and after["foo"] != before["foo"]


def test_content_without_db_goes_on_here(pushed: Host, foo: Path) -> None:
    change(foo, "cut off")
    push_without_db(pushed)
    pushed.push()
    assert snapshots(pushed) == 2
    check_rebuild(pushed, foo)


def test_content_without_db_then_a_rebuild_and_a_push(pushed: Host, foo: Path) -> None:
    last = picture(foo)
    change(foo, "cut off")
    push_without_db(pushed)
    shutil.rmtree(foo)
    pushed.forget()
    pushed.rebuild()
    assert changed(last, picture(foo)) == []
    change(foo, "goes on")
    pushed.push()
    assert heads(pushed, "foo") == heads(pushed, "db") == 1
    check_rebuild(pushed, foo)


def test_a_state_folder_of_last_week(pushed: Host, foo: Path) -> None:
    last_week = copy(pushed.state, pushed.folder / "state of last week")
    for text in ("monday", "tuesday"):
        change(foo, text)
        pushed.push()
    pushed.forget()
    last_week.rename(pushed.state)
    change(foo, "wednesday")
    assert "does not remember making" in pushed.push(code=3).err
    pushed.push()
    assert snapshots(pushed) == 4
    assert heads(pushed, "foo") == heads(pushed, "db") == 1
    check_rebuild(pushed, foo)


def test_two_machines_of_one_image_are_told_at_each_push(pushed: Host, foo: Path) -> None:
    clone = pushed.stage.host("bar", machine="clone", added=False)
    copy(pushed.state, clone.state)
    pushed.push()
    for turn, host in enumerate((clone, pushed, clone)):
        (foo / "one").write_text(f"turn {turn}\n")
        done = host.pacha("-q", "push").must(3 if turn else 0)
        assert ("or cloned" in done.err) == bool(turn)


def test_a_state_folder_of_last_week_and_unpushed_content(pushed: Host, foo: Path) -> None:
    """The worst of both: what the master has goes beyond what it names, and this machine knows of neither."""
    last_week = copy(pushed.state, pushed.folder / "state of last week")
    change(foo, "monday")
    push_without_db(pushed)
    pushed.forget()
    last_week.rename(pushed.state)
    change(foo, "tuesday")
    assert "does not remember making" in pushed.push(code=3).err
    pushed.push()
    assert heads(pushed, "foo") == 1
    check_rebuild(pushed, foo)


def test_a_state_folder_that_is_gone(pushed: Host, foo: Path) -> None:
    """Then it is another machine, by all that Pacha can know."""
    pushed.forget()
    pushed.watch(foo)
    change(foo, "after")
    said(pushed.push(code=1), "Another machine pushes as 'bar'", "--take-over", "restore-db bar")
    pushed.push("--take-over")
    check_rebuild(pushed, foo)


def test_a_master_that_was_emptied(pushed: Host, foo: Path) -> None:
    change(foo, "more")
    pushed.push()
    history = pushed.on_master()
    for repository in history:
        shutil.rmtree(pushed.repository(repository))
    assert "is gone from" in pushed.pacha("-q", "push").must(3).err
    assert "is gone from" in pushed.pacha("status").must(3).out
    pushed.push()
    pushed.pacha("status").must()
    assert pushed.on_master() == history
    check_rebuild(pushed, foo)


def test_a_master_set_back_to_an_older_copy(pushed: Host, foo: Path) -> None:
    folder = pushed.repository("")
    older = copy(folder, pushed.stage.folder / "older")
    change(foo, "more")
    pushed.push()
    history = pushed.on_master()
    shutil.rmtree(folder)
    older.rename(folder)
    assert "it was set back" in pushed.pacha("-q", "push").must(3).err
    assert "it was set back" in pushed.pacha("status").must(3).out
    pushed.push()
    assert pushed.on_master() == history
    check_rebuild(pushed, foo)


def test_a_master_that_lost_one_repository(pushed: Host, foo: Path) -> None:
    """It is made anew, with all that it held (an idle push does so too: ``test_fleet``)."""
    shutil.rmtree(pushed.repository("foo"))
    change(foo, "more")
    assert "foo: is gone from" in pushed.push(code=3).err
    check_rebuild(pushed, foo)


def test_a_rebuild_of_another_host_leaves_this_machine_itself(pushed: Host, foo: Path) -> None:
    other = pushed.stage.host("other")
    own = pushed.stage.folder / "srv" / "own"
    own.mkdir(parents=True)
    (own / "file").write_text("mine\n")
    other.watch(own)
    other.push()
    before, history = other.memory, pushed.on_master()
    for arguments in (("--target", other.folder / "out"), ()):
        other.pacha("rebuild", "bar", "--yes", *arguments).must()
        (own / "file").write_text(f"mine still {arguments}\n")
        other.push()
        assert other.memory["machine"] == before["machine"]
        assert pushed.on_master() == history, "it pushed as the host that it only looked at"
    check_rebuild(other, own)
    change(foo, "bar lives")
    pushed.push()
    check_rebuild(pushed, foo)


def wait_for_mercurial(account: Account, process: subprocess.Popen[bytes]) -> None:
    """Until the account runs ``hg serve`` (or the push has ended)."""
    while process.poll() is None:
        for pid in filter(lambda pid: server._uid_of(pid) == account.uid, server._pids()):
            with suppress(OSError):
                if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return
        time.sleep(0.02)


def test_pushes_while_the_master_is_down(pushed: Host, foo: Path) -> None:
    port = str(pushed.stage.server.port)
    pushed.configure(ssh_port="1")
    for text in ("monday", "tuesday"):
        change(foo, text)
        said(pushed.push(code=11))
    said(pushed.push(code=11))
    pushed.configure(ssh_port=port)
    done = pushed.push()
    assert "nothing changed" not in done.out
    assert snapshots(pushed) == 3
    check_rebuild(pushed, foo)


def test_a_first_push_while_the_master_is_down(bar: Host, tree: Path) -> None:
    bar.watch(tree)
    bar.configure(ssh_port="1")
    bar.push(code=11)
    bar.configure(ssh_port=str(bar.stage.server.port))
    bar.push()
    check_rebuild(bar, tree)


@pytest.mark.slow
def test_killed_pushes_converge(bar: Host, tree: Path) -> None:
    bar.watch(tree)
    chance = random.Random(2)
    for number in range(KILLS):
        change(tree, f"number {number}")
        (tree / "large").write_bytes(chance.randbytes(300_000))
        process = bar.start("push")
        time.sleep(0.2 + chance.random() * 0.7)
        process.kill()
        process.wait()
    bar.push("--wait", "20")
    assert heads(bar, "foo") == heads(bar, "db") == 1
    check_rebuild(bar, tree)
    assert "nothing changed" in bar.push().out


@pytest.mark.slow
def test_pushes_killed_on_the_master_converge(pushed: Host, foo: Path) -> None:
    """Its Mercurial gets no chance to roll anything back."""
    chance, failures = random.Random(4), 0
    for number in range(KILLS // 2):
        change(foo, f"number {number}")
        (foo / "large").write_bytes(chance.randbytes(3_000_000))
        process = pushed.start("push")
        wait_for_mercurial(pushed.stage.account, process)
        time.sleep(chance.random() * 0.4)
        server._kill_all_of(pushed.stage.account.uid)
        failures += process.wait(60) != 0
    assert failures
    pushed.push()
    assert heads(pushed, "foo") == heads(pushed, "db") == 1
    check_rebuild(pushed, foo)


@pytest.mark.slow
def test_a_killed_rebuild_is_finished_by_the_next(pushed: Host, foo: Path) -> None:
    for number in range(600):
        (foo / f"file {number}").write_text(f"{number}\n" * 50)
    pushed.push()
    heartbeat = pushed.repository("last-push").read_bytes()
    before = picture(foo)
    shutil.rmtree(foo)
    pushed.forget()
    chance, unfinished, deadline = random.Random(3), 0, time.monotonic() + 60
    while unfinished < 2 and time.monotonic() < deadline:
        journals = len(list(pushed.state.glob("rebuilds/*/journal")))
        process = pushed.start("rebuild", "bar", "--yes")
        while len(list(pushed.state.glob("rebuilds/*/journal"))) == journals and process.poll() is None:
            time.sleep(0.005)
        time.sleep(chance.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        killed = process.wait() == -signal.SIGKILL
        if (pushed.state / "pacha.db").exists():  # it was quicker
            pushed.rebuild()
            pushed.forget()
        else:
            unfinished += killed
        shutil.rmtree(foo, ignore_errors=True)
    assert unfinished
    pushed.rebuild()
    assert changed(before, picture(foo)) == []
    assert [path for path in foo.parent.rglob(".pacha-*") if "kept" not in path.name] == []
    assert pushed.repository("last-push").read_bytes() == heartbeat
    pushed.push()
    assert pushed.repository("last-push").read_bytes() != heartbeat


def unfinish(host: Host) -> None:
    """Take the end from the journal of its one rebuild, as if that had been killed before the files were all there."""
    [journal] = (host.state / "rebuilds").glob("*/journal")
    lines = journal.read_text().splitlines(keepends=True)
    finished = next(number for number, line in enumerate(lines) if '"finished"' in line)
    journal.write_text("".join(lines[:finished]))


def test_nothing_is_pushed_while_a_rebuild_is_unfinished(pushed: Host, foo: Path) -> None:
    """A journal that does not end with its last record is that of a run that was killed."""
    pushed.forget()
    pushed.rebuild()
    unfinish(pushed)
    heartbeat = pushed.repository("last-push").read_bytes()
    before = picture(foo)
    (foo / "one").unlink()
    done = pushed.push(code=1)
    assert "not finished" in done.err and "--accept" in done.err
    assert "pacha rebuild bar  do the rest" in pushed.pacha().out
    assert pushed.repository("last-push").read_bytes() == heartbeat
    pushed.rebuild()
    assert changed(before, picture(foo)) == []
    pushed.push()
    assert pushed.repository("last-push").read_bytes() != heartbeat


def test_what_a_killed_rebuild_left_can_be_accepted(pushed: Host, foo: Path) -> None:
    pushed.forget()
    pushed.rebuild()
    unfinish(pushed)
    change(foo, "after")
    pushed.push(code=1)
    pushed.push("--accept")
    pushed.push()


def test_a_killed_rehearsal_stops_no_push(pushed: Host, stage: Stage) -> None:
    pushed.rebuild("--target", str(stage.folder / "rehearsal"))
    unfinish(pushed)
    pushed.push()


def test_a_push_removes_what_a_killed_rebuild_had_fetched(pushed: Host) -> None:
    folder = pushed.temporary / "pacha-0123456789abcdef"
    folder.mkdir(mode=0o700)
    (folder / "secret").write_text("secret\n")
    (pushed.state / "memory.json").write_text(json.dumps({**pushed.memory, "staging": str(folder)}))
    pushed.push()
    assert not folder.exists() and "staging" not in pushed.memory


def test_what_could_not_be_restored_is_owed(bar: Host, tree: Path) -> None:
    bar.watch(tree)
    with account(own("pacha_t_owed")) as owner:
        for name, mode in (("tool", 0o4755), ("one", 0o640)):
            (tree / name).write_text(f"{name}\n")
            os.chown(tree / name, owner.uid, owner.gid)
            (tree / name).chmod(mode)
        bar.push()
        before = picture(tree)
    shutil.rmtree(tree)
    bar.forget()
    done = bar.rebuild(code=3)
    assert own("pacha_t_owed") in done.err and "tool" in done.err
    for name in ("tool", "one"):
        status = (tree / name).stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o7077) == (0, 0, 0)
    for number in range(3):
        (tree / "other").write_text(f"{number}\n")
        assert "owed" in bar.push(code=3).err
    with account(own("pacha_t_owed")) as owner:
        bar.rebuild()
        got = picture(tree)
        for path in (b"tool", b"one"):
            mode, _, _, *rest = before[path]
            assert got[path] == (mode, owner.uid, owner.gid, *rest)
        assert (tree / "other").read_text() == "2\n"
        assert "owed" not in bar.push().err


def owe_one(bar: Host, tree: Path) -> None:
    """Rebuild after a loss, when the account that ``tree / "one"`` belonged to is gone."""
    bar.watch(tree)
    with account(own("pacha_t_owed")) as owner:
        os.chown(tree / "one", owner.uid, owner.gid)
        bar.push()
    shutil.rmtree(tree)
    bar.forget()
    bar.rebuild(code=3)


def test_what_is_owed_can_be_given_up(bar: Host, tree: Path) -> None:
    owe_one(bar, tree)
    bar.push(code=3)
    bar.push("--accept")
    assert "owed" not in bar.push().err
    check_rebuild(bar, tree)


def test_an_owed_path_that_was_changed_is_its_owners_again(bar: Host, tree: Path) -> None:
    owe_one(bar, tree)
    (tree / "one").write_text("written anew\n")
    (tree / "one").chmod(0o644)
    bar.push()
    check_rebuild(bar, tree)


def test_a_second_machine_of_the_same_name(pushed: Host, foo: Path) -> None:
    other = pushed.stage.host("bar", machine="other", added=False)
    own = pushed.stage.folder / "srv"
    own.mkdir()
    (own / "file").write_text("mine\n")
    other.watch(own)
    history = pushed.on_master()
    said(other.push(code=1), "Another machine pushes as 'bar'", str(pushed.memory["machine"]), "--take-over")
    assert pushed.on_master()["db"] == history["db"]

    change(foo, "the first goes on")
    pushed.push()
    told = other.push("--take-over", code=3)
    assert f"{foo}: is watched in the snapshot" in told.err and "does not remember making" not in told.err
    said(pushed.push(code=1), str(other.memory["machine"]))
    (own / "file").write_text("mine still\n")
    other.push()
    check_rebuild(other, own)


def test_a_rebuilt_machine_takes_the_place_of_the_old_one(pushed: Host, foo: Path) -> None:
    """The old one was not dead after all: whoever comes second is told."""
    fresh = pushed.stage.host("bar", machine="fresh", added=False)
    fresh.rebuild()
    change(foo, "by the fresh one")
    fresh.push("--take-over")
    said(pushed.push(code=1), "Another machine pushes as 'bar'")


def test_a_heartbeat_of_every_run(pushed: Host) -> None:
    first = json.loads(pushed.repository("last-push").read_text())
    time.sleep(1.1)
    pushed.push()
    second = json.loads(pushed.repository("last-push").read_text())
    assert first["at"] < second["at"] and first["tip"] == second["tip"] and second["exit"] == 0
    assert subprocess.run(["date", "-d", second["at"]], capture_output=True).returncode == 0
