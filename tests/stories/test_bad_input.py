"""What is wrong gets a message (what, why, what to do), its exit code, and leaves the machine as it was."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.mercurial import run_hg
from tests.support.sshd import Account, Sshd, account, make_key
from tests.support.stage import Host, Stage, changed, copy, on_stage, own, picture, said, small_disk

USAGE, CONCERNS, CONFIG, UNREACHABLE, LOCKED, DAMAGED = 2, 3, 10, 11, 12, 13
FAILED = 1


@pytest.fixture(scope="module")
def pushed(sshd: Sshd, bar_user: Account) -> Iterator[Host]:
    """A host that has pushed twice; the tests leave its master as it is."""
    with on_stage(sshd, bar_user) as stage:
        bar = stage.host("bar")
        make_tree(tree_of(bar))
        bar.watch(tree_of(bar))
        bar.push()
        copy(bar.repository("foo"), stage.folder / "older foo")
        (tree_of(bar) / "one").write_text("newer\n")
        bar.push()
        yield bar


@pytest.fixture
def lost(pushed: Host, stage: Stage) -> Host:
    """A fresh machine that is to become ``bar``, with a copy of the master to spoil; one file stands in the way."""
    copy(pushed.stage.hosts, stage.hosts)
    fresh = stage.host("bar", added=False)
    (tree_of(pushed) / "one").write_text("local change\n")
    return fresh


def tree_of(host: Host) -> Path:
    return host.stage.folder / "opt" / "foo"


def make_tree(top: Path) -> None:
    (top / "below").mkdir(parents=True)
    (top / "one").write_text("one\n")
    (top / "below" / "two").write_text("two\n")


def fails(host: Host, code: int, *parts: str, host_name: str = "bar") -> None:
    """A rebuild ends with ``code`` and a message; no file of the machine is another than before."""
    machine = Path(os.environ["PACHA_TEST_TREE"])
    before = picture(machine)
    done = host.pacha("rebuild", "--yes", "--", host_name).must(code)
    said(done, *parts)
    assert changed(before, picture(machine)) == []
    assert os.listdir(host.temporary) == []
    assert not (host.state / "pacha.db").exists()


@pytest.fixture(autouse=True)
def _tree(pushed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACHA_TEST_TREE", str(pushed.stage.folder / "opt"))


# --- the command line ---


@pytest.mark.parametrize("name", ["../bar", "-bar", "bar;touch x", "", ".", "b\u00e4r", "x" * 300])
def test_a_name_that_no_host_can_have(lost: Host, name: str) -> None:
    fails(lost, USAGE, "cannot be the name of a host", host_name=name)


def test_a_host_that_is_not_on_the_master(lost: Host) -> None:
    fails(lost, FAILED, "There is no host 'baz'", host_name="baz")


@pytest.mark.parametrize("words", [["rebiuld", "bar"], ["rebuild"], ["--nonsense"], ["push", "--nonsense"], ["watch"]])
def test_words_that_make_no_sense(lost: Host, words: list[str]) -> None:
    done = lost.pacha(*words).must(USAGE)
    assert done.err


def test_a_target_that_is_a_file(lost: Host) -> None:
    place = lost.folder / "file"
    place.write_text("here already\n")
    said(lost.rebuild("--target", place, code=FAILED), "target")
    assert place.read_text() == "here already\n"


@pytest.mark.parametrize("kind", ["missing", "link", "file", "state", "overlap"])
def test_what_cannot_be_watched(lost: Host, kind: str) -> None:
    top = lost.folder / "top"
    make_tree(top)
    (top / "link").symlink_to("below")
    lost.watch(top)
    names = {"missing": "no", "link": "link", "file": "one", "overlap": "below"}
    path = lost.state if kind == "state" else top / names[kind]
    said(lost.pacha("watch", path).must(USAGE), str(path))


def test_a_push_of_nothing(lost: Host) -> None:
    said(lost.push(code=FAILED), "Nothing is watched yet", "pacha watch", "pacha restore-db bar")


def test_a_machine_that_was_only_told_what_to_watch_becomes_the_host(lost: Host, tmp_path: Path) -> None:
    lost.watch(tmp_path)  # 'pacha init' asks for something
    assert "Another machine" in lost.push(code=FAILED).err
    rebuilt = lost.rebuild(code=CONCERNS)
    assert "pushes as 'bar'" in rebuilt.out
    assert f"pacha: {tmp_path}: is watched here, and not watched in the snapshot" in rebuilt.err
    lost.push()


# --- the configuration ---


def test_no_configuration(lost: Host) -> None:
    environment = {"PACHA_CONFIG": "", "XDG_CONFIG_HOME": str(lost.home)}
    done = lost.pacha("push", **environment).must(CONFIG)
    assert "W A R N I N G" in done.err and "pacha add-config FILE" in done.err
    box = [line for line in done.lines if line.startswith(("+", "|"))]
    assert len(box) > 5 and len({len(line) for line in box}) == 1
    done = lost.pacha("hosts", **environment)  # a master has no more to say than its folder
    assert "W A R N I N G" not in done.err and done.code != CONFIG


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[DEFAULT]\npacha.hosst = master\n", ("pacha.hosst", "pacha.host")),
        ("[DEFAULT]\npacha.host = master\npacha.frequency = often\n", ("pacha.frequency", "often")),
        ("[DEFAULT]\npacha.host = master\npacha.ssh.port = 99999\n", ("pacha.ssh.port", "99999")),
        ("[DEFAULT]\npacha.ssh.port = x\npacha.frequency = y\n", ("pacha.ssh.port", "pacha.frequency")),
        ("[DEFAULT]\npacha.frequency = 12\n", ("pacha.host",)),
        ("pacha.host = master\n", ("[DEFAULT]",)),
        ("", ("pacha.host",)),
        ("[DEFAULT]\npacha.host = \x1b]0;x\x07\n", ("\\x1b",)),
    ],
)
def test_a_wrong_configuration(lost: Host, text: str, parts: tuple[str, ...]) -> None:
    lost.config.write_text(text)
    done = lost.pacha("rebuild", "bar", "--yes").must(CONFIG)
    for part in (*parts, "pacha.conf"):
        assert part in done.err


@pytest.mark.parametrize(
    ("key", "words"),
    [("exclude", "push"), ("drift.ignore", "drift /"), ("secret", "digest"), ("seal", "push")],
)
def test_a_pattern_that_is_none(lost: Host, key: str, words: str) -> None:
    make_tree(lost.folder / "top")
    lost.watch(lost.folder / "top")
    lost.configure(**{key.replace(".", "_"): "*.swp a[z-a]"})
    said(lost.pacha(*words.split()).must(10), f"pacha.{key} has an invalid pattern", "a[z-a]")


def test_a_configuration_that_is_not_there(lost: Host) -> None:
    said(lost.pacha("--config", "/nonexistent/pacha.conf", "push").must(CONFIG), "/nonexistent/pacha.conf")


# --- the way to the master ---


def test_a_master_that_is_down(lost: Host) -> None:
    lost.configure(ssh_port="1")
    fails(lost, UNREACHABLE, "127.0.0.1", "port 1")


def test_a_master_of_no_known_name(lost: Host) -> None:
    lost.configure(host="nowhere.invalid")
    fails(lost, UNREACHABLE, "nowhere.invalid")


def test_an_account_that_the_master_does_not_have(lost: Host) -> None:
    lost.configure(ssh_user="pacha_t_nobody")
    fails(lost, UNREACHABLE, "pacha_t_nobody")


def test_a_key_that_the_master_does_not_know(lost: Host) -> None:
    key = make_key(lost.home / "other_key")
    lost.configure(ssh_key=str(key))
    fails(lost, UNREACHABLE, str(key))


def test_a_key_that_is_not_there(lost: Host) -> None:
    lost.configure(ssh_key=str(lost.home / "no_key"))
    fails(lost, UNREACHABLE, "no_key")


def test_a_master_that_is_not_known(lost: Host) -> None:
    empty = lost.home / "known_hosts"
    empty.touch()
    lost.configure(ssh_known_hosts=str(empty))
    fails(lost, UNREACHABLE, "is not known", lost.stage.server.fingerprint())


@pytest.mark.parametrize("command", ["push", "rebuild"])
def test_no_hosts_folder_on_the_master(lost: Host, command: str) -> None:
    lost.configure(hosts_path="/nonexistent/hosts")
    if command == "rebuild":
        fails(lost, FAILED, "no host 'bar'", "/nonexistent/hosts")
        return
    make_tree(lost.folder / "top")
    lost.watch(lost.folder / "top")
    said(lost.push(code=UNREACHABLE), "/nonexistent/hosts/bar", "pacha add-host bar --user")


def test_a_hosts_folder_that_is_not_writable(lost: Host) -> None:
    """Nobody ran add-host: the folder of hosts is root's, as it should be."""
    lost.name = "newcomer"
    lost.configure()
    lost.settings["pacha.hostname"] = "newcomer"
    make_tree(lost.folder / "top")
    lost.watch(lost.folder / "top")
    said(lost.push(code=UNREACHABLE), "Permission denied", "pacha add-host newcomer --user")
    assert not (lost.stage.hosts / "newcomer").exists()


def test_a_host_folder_of_someone_else(lost: Host) -> None:
    os.chown(lost.repository(""), 0, 0)
    account = lost.stage.account.name
    give = f"chown -R {account}: {lost.stage.hosts}/bar"
    fails(lost, UNREACHABLE, "Permission denied", "pacha add-host bar --user", give)
    said(lost.pacha("add-host", "bar", "--user", account).must(FAILED), give)


def test_a_mercurial_that_hangs_on_the_master_is_waited_for_once(bar: Host) -> None:
    command = bar.stage.folder / "hg"
    command.write_text('#!/bin/sh\ncase "$*" in *serve*) exec sleep 60;; *) exec hg "$@";; esac\n')
    command.chmod(0o755)
    make_tree(bar.folder / "top")
    bar.watch(bar.folder / "top")
    bar.push()
    (bar.folder / "top" / "one").write_text("other\n")
    bar.configure(hg_command=str(command), ssh_timeout="4")
    began = time.monotonic()
    said(bar.push(code=UNREACHABLE), "said nothing for 4 seconds")
    assert 4 < time.monotonic() - began < 7.5


@pytest.mark.parametrize("command", ["/nonexistent/hg", "nohg"])
def test_no_mercurial_on_the_master(lost: Host, command: str) -> None:
    """A push cannot do without it; a rebuild can."""
    lost.configure(hg_command=command)
    make_tree(lost.folder / "top")
    lost.settings["pacha.hostname"] = lost.name = "newcomer"
    lost.configure()
    lost.pacha("add-host", "newcomer", "--user", lost.stage.account.name).must()
    lost.watch(lost.folder / "top")
    said(lost.push(code=UNREACHABLE), f"The master has no {command}", "pacha.hg.command")
    lost.forget()
    lost.settings["pacha.hostname"] = lost.name = "bar"
    lost.configure()
    lost.rebuild("--target", lost.folder / "out")


def test_mercurial_that_has_gone_from_the_master(bar: Host, stage: Stage) -> None:
    tree = stage.folder / "srv" / "foo"
    make_tree(tree)
    bar.watch(tree)
    bar.push()
    (tree / "one").write_text("newer\n")
    bar.configure(hg_command="/nowhere/hg")
    said(bar.push(code=UNREACHABLE), "The master has no /nowhere/hg", "pacha.hg.command")


# --- what the master has ---


def spoil_snapshot(host: Host, spoil: Callable[[Path], None]) -> None:
    """Make a newest snapshot on the master whose pacha.db is spoilt."""
    clone = host.stage.folder / "clone"
    run_hg("clone", str(host.repository("db")), str(clone))
    spoil(clone / "pacha.db")
    run_hg("-R", str(clone), "commit", "-m", "spoilt", "-u", "x")
    run_hg("-R", str(clone), "push")


def execute(*statements: str) -> Callable[[Path], None]:
    """What spoils a database with SQL."""

    def spoil(path: Path) -> None:
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: os.truncate(path, path.stat().st_size // 2), id="truncated"),
        pytest.param(lambda path: os.truncate(path, 100), id="header"),
        pytest.param(lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000), id="garbage"),
        pytest.param(lambda path: path.write_text("not a database\n" * 500), id="text"),
        pytest.param(execute("DROP TABLE entry"), id="no entries"),
        pytest.param(execute("UPDATE entry SET path = CAST('/etc/cron.d/x' AS BLOB) WHERE id = 1"), id="outside"),
        pytest.param(execute("UPDATE entry SET path = CAST(path || '/../../x' AS BLOB)"), id="dots"),
        pytest.param(execute("UPDATE entry SET mode = 1048575"), id="mode"),
        pytest.param(execute("UPDATE watched SET repository = '../x'"), id="repository"),
        pytest.param(execute("UPDATE watched SET node = 'zz'"), id="node"),
        pytest.param(execute(f"UPDATE watched SET node = '{'1' * 40}'"), id="another node"),
        pytest.param(execute("UPDATE entry SET sha256 = zeroblob(32) WHERE sha256 IS NOT NULL"), id="sha256"),
        pytest.param(execute("UPDATE meta SET value = '99' WHERE key = 'readable_from'"), id="later version"),
    ],
)
def test_a_spoilt_snapshot(lost: Host, spoil: Callable[[Path], None]) -> None:
    spoil_snapshot(lost, spoil)
    fails(lost, DAMAGED)


def test_a_repository_that_lacks_what_the_snapshot_names(lost: Host, pushed: Host) -> None:
    shutil.rmtree(lost.repository("foo"))
    copy(pushed.stage.folder / "older foo", lost.repository("foo"))
    fails(lost, DAMAGED, "'foo'", "has no revision")


def test_a_repository_that_is_gone(lost: Host) -> None:
    shutil.rmtree(lost.repository("foo"))
    fails(lost, DAMAGED, "The repository 'foo' is not on the master.")


def test_a_db_without_a_snapshot(lost: Host) -> None:
    shutil.rmtree(lost.repository("db"))
    run_hg("init", str(lost.repository("db")))
    subprocess.run(["chown", "-R", lost.stage.account.name, lost.repository("db")], check=True)
    fails(lost, DAMAGED, "empty")


@pytest.mark.parametrize(
    ("repository", "name", "how"),
    [
        ("db", "00changelog.i", "truncated"),
        ("db", "00manifest.i", "gone"),
        ("db", "data/pacha.db.i", "flipped"),
        ("db", "data/pacha.db.i", "empty"),
        ("foo", "00changelog.i", "empty"),
        ("foo", "00changelog.d", "flipped"),
        ("foo", "00manifest.i", "truncated"),
        ("foo", "data/one.i", "flipped"),
        ("foo", "data/one.i", "gone"),
    ],
)
def test_a_damaged_store(lost: Host, repository: str, name: str, how: str) -> None:
    file = lost.repository(repository) / ".hg" / "store" / name
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    # Not where an entry ends: that would be an older history, and whole.
    spoilt = {"truncated": bytes(data[: len(data) // 2 + 3]), "flipped": bytes(data), "empty": b""}
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(spoilt[how])
    fails(lost, DAMAGED, repository)


# --- room, owners, locks ---


def test_a_full_disk_at_the_master(stage: Stage) -> None:
    with small_disk(stage.hosts, "600k") as disk:
        bar = stage.host("bar")
        make_tree(stage.folder / "top")
        bar.watch(stage.folder / "top")
        bar.push()
        (stage.folder / "top" / "large").write_bytes(os.urandom(1_000_000))
        said(bar.push(code=FAILED), "No space left", "Make room on the master")
        bar.rebuild("--target", stage.folder / "out", code=3)  # the last whole snapshot is still there
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        bar.push()
        bar.rebuild("--target", stage.folder / "out")
        assert changed(picture(stage.folder / "top"), picture(Path(f"{stage.folder}/out{stage.folder}/top"))) == []
        bar.verify_master()


def test_a_full_disk_at_the_master_from_the_start(stage: Stage) -> None:
    with small_disk(stage.hosts, "16k"):
        bar = stage.host("bar")
        make_tree(stage.folder / "top")
        bar.watch(stage.folder / "top")
        said(bar.push(code=FAILED), "No space left")


def test_no_room_for_staging(lost: Host) -> None:
    with small_disk(lost.temporary, "16k"):
        fails(lost, FAILED, "No space left")


def test_little_room_for_staging(lost: Host) -> None:
    """There is room in the state folder instead."""
    with small_disk(lost.temporary, "1m"):
        lost.rebuild("--target", lost.folder / "out")
    assert [path for path in lost.state.iterdir() if path.name.startswith("pacha-")] == []


def test_no_room_for_the_rebuilt_tree(lost: Host) -> None:
    with small_disk(lost.folder / "out", "4k") as disk:
        said(lost.pacha("rebuild", "bar", "--yes", "--target", disk).must(FAILED), "There is no room for the rebuild")
        assert [path for path in disk.rglob("*") if path.is_file()] == []


def test_a_path_that_vanished(lost: Host) -> None:
    host = lost.stage.host("other")
    top, gone = host.folder / "top", host.folder / "gone"
    make_tree(top)
    make_tree(gone)
    host.watch(top, gone)
    host.push()
    shutil.rmtree(gone)
    (top / "one").write_text("changed\n")
    for _ in range(2):
        said(host.push(code=CONCERNS), str(gone))
    out = host.folder / "out"
    host.rebuild("--target", out)
    assert Path(f"{out}{top}/one").read_text() == "changed\n"
    host.pacha("unwatch", gone).must()
    host.push()


def test_a_path_that_became_a_file(lost: Host) -> None:
    host = lost.stage.host("other")
    top = host.folder / "top"
    make_tree(top)
    host.watch(top)
    host.push()
    shutil.rmtree(top)
    top.write_text("a file now\n")
    said(host.push(code=CONCERNS), str(top))


def test_a_state_folder_of_someone_else(lost: Host) -> None:
    lost.state.mkdir()
    os.chown(lost.state, lost.stage.account.uid, 0)
    said(lost.pacha("rebuild", "bar", "--yes").must(FAILED), "belongs to someone else", str(lost.state))
    said(lost.pacha("push").must(FAILED), "belongs to someone else")


def test_another_run_holds_the_lock(lost: Host) -> None:
    lost.state.mkdir(mode=0o700)
    with open(lost.state / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said(lost.pacha("rebuild", "bar", "--yes").must(LOCKED), "Another run")
        said(lost.push(code=LOCKED), "Another run")


def test_a_damaged_memory(lost: Host) -> None:
    lost.state.mkdir(mode=0o700)
    (lost.state / "memory.json").write_text("{")
    said(lost.pacha("rebuild", "bar", "--yes").must(FAILED), "memory.json")


def test_a_damaged_pacha_db_here(lost: Host) -> None:
    make_tree(lost.folder / "top")
    lost.watch(lost.folder / "top")
    (lost.state / "pacha.db").write_bytes(b"not a database" * 999)
    said(lost.push(code=FAILED), "pacha.db")


def test_an_owner_that_this_machine_does_not_have(lost: Host) -> None:
    host = lost.stage.host("other")
    make_tree(host.folder / "top")
    with account(own("pacha_t_gone")) as owner:
        os.chown(host.folder / "top" / "one", owner.uid, owner.gid)
        host.watch(host.folder / "top")
        host.push()
    done = host.rebuild("--target", host.folder / "out", code=CONCERNS)
    assert own("pacha_t_gone") in done.err and str(host.folder / "top" / "one") in done.err
    status = Path(f"{host.folder}/out{host.folder}/top/one").stat()
    assert (status.st_uid, status.st_mode & 0o077) == (0, 0)


# --- what is not loaded, not said ---


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_what_a_word_loads(word: str) -> None:
    code = (
        "import sys\nimport pacha.__main__ as command\ncommand._leave = lambda code: None\n"
        f"command.main([{word!r}])\n"
        "print(sorted({'paramiko', 'mercurial', 'sqlite3', 'cryptography'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_quiet_is_quiet(lost: Host) -> None:
    done = lost.pacha("-q", "rebuild", "bar", "--yes", "--target", lost.folder / "out").must()
    assert (done.out, done.err) == ("", "")
