"""By itself, for a fleet: what is due, what failed, what is locked, who is silent, who could be rebuilt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.store.state import StateFolder
from tests.support.amount import amount
from tests.support.mercurial import run_hg
from tests.support.sshd import Account, Sshd
from tests.support.stage import Host, Stage, changed, copy, on_stage, picture, said

pytestmark = pytest.mark.soak

ROUNDS = int(amount("PACHA_ROUNDS", sample=3, soak=100))


@pytest.fixture(scope="module")
def played(sshd: Sshd, bar_user: Account) -> Iterator[tuple[Stage, Path]]:
    """A stage on which ``bar`` has pushed ``opt/foo``, and a copy of it."""
    with on_stage(sshd, bar_user) as stage, on_stage(sshd, bar_user) as beside:
        top = stage.folder / "opt" / "foo"
        (top / "below").mkdir(parents=True)
        for name in ("one", "two", "below/three"):
            (top / name).write_text(f"{name}\n")
        host = stage.host("bar")
        host.watch(top)
        host.push()
        yield stage, copy(stage.folder, beside.folder / "copy")


@pytest.fixture
def pushed(played: tuple[Stage, Path]) -> Host:
    """The host as it was then, whatever the last test did."""
    stage, kept = played
    shutil.rmtree(stage.folder)
    copy(kept, stage.folder)
    return stage.resume("bar")


@pytest.fixture
def tree(pushed: Host) -> Path:
    """What it watches."""
    return pushed.stage.folder / "opt" / "foo"


@pytest.fixture(params=["ssh", "local"])
def either(request: pytest.FixtureRequest, pushed: Host) -> Host:
    """The same, also with a master that is a folder."""
    if request.param == "local":
        shutil.rmtree(pushed.repository(""))
        pushed.forget()
        pushed.configure(host="local")
        pushed.watch(pushed.stage.folder / "opt" / "foo")
        pushed.push()
    return pushed


def age(host: Host, hours: float) -> None:
    """Let the last push have been that long ago, by what the host remembers and by its heartbeat."""
    path = host.state / "memory.json"
    memory = json.loads(path.read_text())
    memory["succeeded"] -= hours * 3600
    path.write_text(json.dumps(memory))
    heartbeat = host.repository("last-push")
    line = json.loads(heartbeat.read_text())
    line["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - hours * 3600))
    heartbeat.write_text(json.dumps(line))


def hosts(host: Host, code: int = 0) -> dict[str, dict[str, object]]:
    """What the master says of each host."""
    return {str(one["host"]): one for one in json.loads(host.pacha("hosts", "--json").must(code).out)}


# -- when it is due


def test_a_push_that_is_not_due_says_nothing_and_loads_nothing(pushed: Host) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "pacha", "push", "--due"]
    done = subprocess.run(command, env=pushed.environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pacha.host.due" in loaded
    assert not loaded & {"paramiko", "mercurial", "sqlite3", "cryptography"}


def test_a_push_that_is_due_is_made(pushed: Host) -> None:
    heartbeat = pushed.repository("last-push")
    before = heartbeat.read_text()
    pushed.push("--due")
    assert heartbeat.read_text() == before
    age(pushed, 13)
    assert pushed.pacha("-q", "push", "--due").must().out == ""
    assert json.loads(heartbeat.read_text())["at"] >= json.loads(before)["at"]
    pushed.push("--due")


def test_a_failure_is_told_until_it_is_mended(pushed: Host, tree: Path) -> None:
    port = str(pushed.stage.server.port)
    assert "up to date" in pushed.pacha("status").must().out
    pushed.configure(ssh_port="1")
    (tree / "one").write_text("more\n")
    pushed.push(code=11)
    for _ in range(2):
        shown = pushed.pacha("status").must(3).out
        assert "refuses connections" in shown and "1 snapshot not sent yet" in shown and "next due:     now" in shown
    said_by = json.loads(pushed.pacha("status", "--json").must(3).out)
    assert said_by["masters"][0]["unsent"] == 1 and not said_by["fine"] and said_by["last_success"]
    pushed.configure(ssh_port=port)
    pushed.push("--due")
    assert json.loads(pushed.pacha("status", "--json").must().out)["fine"]


def test_each_failure_has_its_code_and_its_line_in_status(pushed: Host, tree: Path) -> None:
    store = pushed.repository("foo") / ".hg" / "store"
    (tree / "one").write_text("more\n")
    right = {"ssh_port": str(pushed.stage.server.port), "ssh_user": pushed.stage.account.name}
    for wrong, words in (({"ssh_port": "1"}, "refuses"), ({"ssh_user": "nobody"}, "let")):
        pushed.configure(**wrong)
        pushed.push(code=11)
        assert words in pushed.pacha("status").must(3).out
        pushed.configure(**right)
    store.chmod(0o500)
    pushed.push("--due", code=11)
    assert "Permission denied" in pushed.pacha("status").must(3).out
    store.chmod(0o700)
    pushed.push()
    pushed.pacha("status").must()


def test_a_push_that_was_killed_is_a_failed_one(pushed: Host) -> None:
    process = pushed.start("push")
    deadline = time.monotonic() + 10
    while "failure" not in pushed.memory and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert "interrupted" in pushed.pacha("status").must(3).out
    pushed.push("--due")
    pushed.pacha("status").must()


def test_status_names_what_could_not_be_kept(pushed: Host, tree: Path) -> None:
    if os.geteuid() == 0:
        tree.rename(tree.with_name("gone"))
    pushed.push(code=3)
    assert str(tree) in pushed.pacha("status").must(3).out
    tree.with_name("gone").rename(tree)
    pushed.push()
    pushed.pacha("status").must()


def test_ping_is_called_and_changes_no_exit_code(pushed: Host) -> None:
    pushed.configure(ping="http://127.0.0.1:9/id")
    assert "pacha.ping could not be called" in pushed.push().err
    pushed.configure(ssh_port="1")
    assert "pacha.ping could not be called" in pushed.push(code=11).err


def test_what_schedule_shows_is_what_it_installs(pushed: Host) -> None:
    image = pushed.folder / "image"
    for kind in ("--cron", "--systemd"):
        done = pushed.pacha("schedule", "install", "--root", image, kind, "--apt").must(3)
        assert "is written" in done.out and "nothing runs it" in done.err  # the image has neither of them
        assert "installed already" in pushed.pacha("--schedule", "install", "--root", image, kind, "--apt").must(3).out
        shown = pushed.pacha("schedule", "show", "--root", image, kind, "--apt").must().out
        files = [path for path in image.rglob("*") if path.is_file() and not path.is_symlink()]
        assert files and all(path.read_text() in shown for path in files)
        assert f"PACHA_CONFIG={pushed.config}" in shown
    pushed.pacha("schedule", "remove", "--root", image).must()
    assert not [path for path in image.rglob("*") if not path.is_dir()]


# -- locks


def test_eight_at_once(pushed: Host, tree: Path) -> None:
    """``PACHA_ROUNDS`` times (3)."""
    for number in range(ROUNDS):
        (tree / "one").write_text(f"round {number}\n")
        runs = [
            subprocess.Popen(
                [sys.executable, "-m", "pacha", "push"], env=pushed.environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for _ in range(8)
        ]  # fmt: skip
        ended = [(run, *run.communicate(timeout=120)) for run in runs]
        codes = [run.returncode for run, _, _ in ended]
        assert 0 in codes and set(codes) <= {0, 12}, [err for _, _, err in ended]
        for run, _, err in ended:
            assert "Traceback" not in err and "fault" not in err
            if run.returncode == 12:
                assert "holds the lock since 20" in err and "process " in err
    pushed.verify_master()
    log = run_hg("-R", str(pushed.repository("db")), "log", "--template", "{node}\n").split()
    assert len(log) == ROUNDS + 1


def test_the_job_is_quiet_while_a_push_is_at_work(pushed: Host) -> None:
    """Such as the first one, which may take hours; but not for ever, and not for a rebuild."""
    age(pushed, 13)
    state = StateFolder(pushed.state)
    with state.locked(work="push"):
        done = pushed.pacha("-q", "push", "--due").must()
        assert (done.out, done.err) == ("", "")
        assert "process " in pushed.pacha("push").must(12).err
        assert "at work now" in pushed.pacha("status").out
        os.utime(pushed.state / "lock", (0, time.time() - 25 * 3600))
        said(pushed.pacha("-q", "push", "--due").must(12), "Another run of Pacha is at work", "since 20")
    with state.locked():
        pushed.pacha("-q", "push", "--due").must(12)
    pushed.push("--due")


def test_another_name_than_before_is_refused_and_leaves_nothing(pushed: Host) -> None:
    before = pushed.pacha("log", "--json").must().out
    pushed.configure(hostname="baz")
    done = pushed.pacha("push").must(10)
    assert "Set pacha.hostname = bar" in done.err and "--take-over" in done.err
    pushed.configure(ssh_port="1")
    pushed.pacha("push", "--take-over").must(11)
    pushed.configure(hostname="bar")
    assert pushed.pacha("log", "--json").must().out == before
    pushed.configure(host="local", hostname="baz")
    assert "baz: no path changed" in pushed.pacha("push", "--take-over").must().out


def test_those_that_wait_get_their_turn(pushed: Host) -> None:
    runs = [pushed.start("push", "--wait", "60") for _ in range(4)]
    assert [run.wait(120) for run in runs] == [0] * 4


def test_a_rebuild_waits_too(pushed: Host) -> None:
    run = pushed.start("push", "--wait", "60")
    pushed.rebuild("--wait", "60", "--target", pushed.folder / "out")
    assert run.wait(60) == 0


def test_what_a_killed_run_left_of_mercurials_own_is_cleared(pushed: Host, tree: Path) -> None:
    """A lock of another machine's name, which Mercurial takes for alive; a transaction that never ended."""
    repository = pushed.state / "repos" / "foo" / ".hg"
    (repository / "store" / "lock").symlink_to("another.host:99999")
    (repository / "wlock").symlink_to(f"another.host/f00:{os.getpid()}")
    size = (repository / "store" / "00changelog.i").stat().st_size
    (repository / "store" / "journal").write_bytes(b"00changelog.i\0%d\n" % size)
    with open(repository / "store" / "00changelog.i", "ab") as changelog:
        changelog.write(b"torn")
    (tree / "one").write_text("more\n")
    began = time.monotonic()
    pushed.push()
    assert time.monotonic() - began < 25
    run_hg("-R", str(repository.parent), "verify")


# -- a master that is not as it was left


def test_a_second_machine_is_refused_every_time(pushed: Host, tree: Path) -> None:
    other = pushed.stage.host("bar", machine="other", added=False)
    other.watch(tree)
    before = pushed.on_master()
    for _ in range(3):
        (tree / "one").write_text(f"{time.time()}\n")
        machine = str(pushed.memory["machine"])
        said(other.push(code=1), "Another machine pushes as 'bar'", machine, os.uname().nodename, "127.0.0.1")
    assert pushed.on_master() == before
    other.push("--take-over")
    for _ in range(2):
        said(pushed.push(code=1), str(other.memory["machine"]))
    assert "Another machine" in pushed.pacha("status").must(3).out


@pytest.mark.parametrize("lost", ["everything", "db", "foo"])
def test_what_a_master_lost_is_noticed_by_an_idle_push(either: Host, tree: Path, lost: str) -> None:
    history = either.on_master()
    for repository in history if lost == "everything" else [lost]:
        shutil.rmtree(either.repository(repository))
    assert "is gone from" in either.pacha("-q", "push").must(3).err
    assert either.on_master() == history
    either.verify_master()
    either.push()
    either.rebuild("--target", either.folder / "out")


@pytest.mark.parametrize("which", ["", "foo"])
def test_a_master_set_back_is_noticed_by_an_idle_push(either: Host, tree: Path, which: str) -> None:
    older = copy(either.repository(which), either.stage.folder / "older")
    (tree / "one").write_text("more\n")
    either.push()
    history = either.on_master()
    shutil.rmtree(either.repository(which))
    older.rename(either.repository(which))
    assert "it was set back" in either.pacha("-q", "push").must(3).err
    assert either.on_master() == history
    either.verify_master()
    either.push()


def test_a_history_that_was_overwritten_is_named(pushed: Host) -> None:
    changelog = pushed.repository("db") / ".hg" / "store" / "00changelog.i"
    data = bytearray(changelog.read_bytes())
    data[-9] ^= 1
    changelog.write_bytes(bytes(data))
    for _ in range(2):
        done = pushed.push(code=3)
        assert f"{pushed.repository('db')}: on " in done.err and "nothing newer is there" in done.err
        assert "sent again." not in done.out
    assert "nothing newer is there" in pushed.pacha("status").must(3).out


@pytest.mark.parametrize("lost", ["repos", "repos/db", "repos/foo"])
def test_what_was_lost_here_is_fetched_again(pushed: Host, tree: Path, lost: str) -> None:
    """As after a power cut: what the state folder remembers is on disk, what Mercurial wrote is not."""
    (tree / "one").write_text("more\n")
    pushed.push()
    older = pushed.on_master()
    shutil.rmtree(pushed.state / lost)
    (tree / "two").write_text("more\n")
    pushed.push()
    assert pushed.on_master()["db"] != older["db"]
    log = run_hg("-R", str(pushed.repository("db")), "log", "--template", "{node}\n").split()
    assert len(log) == 3
    pushed.verify_master()
    pushed.rebuild("--target", pushed.folder / "out")


# -- the master's view


def test_a_master_knows_who_is_silent(pushed: Host, tree: Path) -> None:
    pushed.stage.host("foo")
    found = hosts(pushed, code=3)
    assert found["bar"]["state"] == "fresh" and found["foo"]["state"] == "never"
    assert (found["bar"]["paths"], found["bar"]["files"], found["bar"]["size"]) == (1, 3, 20)
    os.rmdir(pushed.stage.hosts / "foo")
    hosts(pushed)
    age(pushed, 20)
    assert hosts(pushed, code=3)["bar"]["state"] == "late"
    age(pushed, 300)
    assert hosts(pushed, code=3)["bar"]["state"] == "silent"
    pushed.push("--due")
    hosts(pushed)


def damage(pushed: Host, what: str) -> None:
    store = pushed.repository("foo") / ".hg" / "store"
    if what == "a byte":
        file = store / "data" / "below" / "three.i"
        data = bytearray(file.read_bytes())
        data[-3] ^= 1
        file.write_bytes(bytes(data))
    elif what == "a file":
        (store / "data" / "one.i").unlink()
    elif what == "a repository":
        shutil.rmtree(pushed.repository("foo"))
    elif what == "db":
        shutil.rmtree(pushed.repository("db"))
    elif what == "a special file":
        (store / "data" / "one.i").unlink()
        os.mkfifo(store / "data" / "one.i")
    elif what == "an endless file":
        (store / "data" / "one.i").unlink()
        (store / "data" / "one.i").symlink_to("/dev/zero")
    elif what == "another host's":
        other = pushed.stage.host("foo").repository("db")
        pushed.repository("db").rename(other)
        pushed.repository("db").symlink_to(other)


def test_check_says_who_could_be_rebuilt(pushed: Host) -> None:
    pushed.stage.host("foo")
    done = pushed.pacha("check").must(3)
    assert "bar: whole" in done.out and "foo: it has never pushed" in done.err
    pushed.pacha("check", "bar").must()
    said(pushed.pacha("check", "none").must(1), "no host 'none'")
    pushed.pacha("check", "../bar").must(2)
    (pushed.stage.hosts / "baz").symlink_to(pushed.stage.hosts / "bar")
    assert "baz: its folder is a link" in pushed.pacha("check", "baz").must(3).err
    (pushed.stage.hosts / "baz").unlink()
    os.rmdir(pushed.stage.hosts / "foo")
    assert hosts(pushed)["bar"]["checked"]
    assert not list(pushed.temporary.iterdir())


@pytest.mark.parametrize(
    "what", ["a byte", "a file", "a repository", "db", "a special file", "an endless file", "another host's"]
)
def test_check_finds_what_is_damaged(pushed: Host, what: str) -> None:
    damage(pushed, what)
    done = pushed.pacha("check", "--json", "bar").must(13)
    [found] = json.loads(done.out)
    assert found["exit"] == 13 and found["faults"]
    assert "pacha-check-" not in done.out, "what is damaged lies on the master"
    if what == "a file":
        assert str(pushed.repository("foo")) in done.out
    assert hosts(pushed, code=3)["bar"]["checked"]["exit"] == 13  # type: ignore[index]


def test_check_finds_a_snapshot_that_was_taken_back(pushed: Host, tree: Path) -> None:
    older = copy(pushed.repository("db"), pushed.stage.folder / "older")
    (tree / "one").write_text("more\n")
    pushed.push()
    shutil.rmtree(pushed.repository("db"))
    older.rename(pushed.repository("db"))
    assert "is not there any more" in pushed.pacha("check").must(13).err
    for spoil in (lambda path: path.write_text("{"), Path.unlink, lambda path: path.symlink_to("nowhere")):
        spoil(pushed.repository("last-push"))
        assert "whether db was set back" in pushed.pacha("check").must(3).err


def test_hooks_must_be_roots(pushed: Host) -> None:
    folder = pushed.stage.hosts / ".hooks" / "bar" / "pacha_pre"
    folder.mkdir(parents=True)
    (folder / "10-stop").write_text("#!/bin/sh\n")
    pushed.pacha("check").must()
    (folder / "10-stop").chmod(0o757)
    assert "10-stop is open to others" in pushed.pacha("check").must(3).err
    (folder / "10-stop").chmod(0o755)
    os.chown(folder, pushed.stage.account.uid, -1)
    assert "in a folder of theirs" in pushed.pacha("check").must(3).err


def test_check_is_the_folders_owner_and_nobody_else(pushed: Host) -> None:
    """A link to what only root may read leads nowhere; nothing runs or writes as root."""
    secret = pushed.stage.folder / "secret"
    secret.mkdir(mode=0o700)
    store = pushed.repository("foo") / ".hg" / "store"
    (store / "data").rename(secret / "data")
    (store / "data").symlink_to(secret / "data")
    hgrc = pushed.repository("foo") / ".hg" / "hgrc"
    hgrc.write_text(f"[hooks]\npre-log = touch {pushed.stage.folder}/owned\n[extensions]\nx = /nowhere/x.py\n")
    before = picture(secret)
    pushed.pacha("check", "--rehearse").must(13)
    assert changed(before, picture(secret)) == [] and not (pushed.stage.folder / "owned").exists()
    log = pushed.stage.folder / "trace"
    command = ["strace", "-f", "-qq", "-y", "-e", "trace=setgroups,setresgid,setresuid,openat", "-o", log]
    subprocess.run([*command, sys.executable, "-m", "pacha", "check"], env=pushed.environment(), capture_output=True)
    lines = log.read_text().splitlines()
    child = next(line.split()[0] for line in lines if "setresuid" in line)
    own = [line for line in lines if line.startswith(child)]
    dropped = next(number for number, line in enumerate(own) if "setresuid" in line)
    assert "setgroups(0" in own[dropped - 2] and "setresgid" in own[dropped - 1]
    inside = [line for line in lines if f"{pushed.stage.hosts}/bar" in line]
    assert inside and all(line in own[dropped:] or "O_DIRECTORY" in line for line in inside)


def test_a_rehearsal_puts_back_what_anybody_can(pushed: Host, tree: Path) -> None:
    for name, mode in (("closed", 0o000), ("set", 0o4755), ("run", 0o711)):
        (tree / name).write_text(f"{name}\n")
        (tree / name).chmod(mode)
    os.chown(tree / "run", 12345, 12345)
    (tree / "shut").mkdir()
    (tree / "shut" / "in").write_text("in\n")
    (tree / "shut").chmod(0o555)
    (tree / "link").symlink_to("nowhere")
    os.mkfifo(tree / "fifo")
    os.mknod(tree / "null", 0o20666, os.makedev(1, 3))
    os.link(tree / "one", tree / "one more")
    os.utime(tree / "below", ns=(1, 1))
    pushed.push()
    done = pushed.pacha("check", "--rehearse").must()
    assert "bar: rehearsed" in done.out
    assert hosts(pushed)["bar"]["checked"]["rehearsed"]  # type: ignore[index]
    assert not list(pushed.temporary.iterdir())


def test_a_lock_on_the_master_that_nobody_can_judge_is_explained(pushed: Host, tree: Path) -> None:
    """It names another machine: its process may be alive there, for all that Mercurial can know."""
    lock = pushed.repository("foo") / ".hg" / "store" / "lock"
    lock.symlink_to("another.host:4711")
    (tree / "one").write_text("more\n")
    settings = pushed.stage.account.home / ".hgrc"
    settings.write_text("[ui]\ntimeout = 2\n")
    said(pushed.push(code=1), "lock", "another.host")
    lock.unlink()
    settings.unlink()
    pushed.push()
