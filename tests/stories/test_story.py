"""The manual's story: a host that is watched and pushed, dies, and is rebuilt by ``pacha --rebuild bar``."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.sshd import Account, Sshd, account
from tests.support.stage import PACHA, Host, Stage, changed, copy, differences, on_stage, own, picture

NAMELESS = 54321  #: a user and a group that no account has
NO_UID, NO_GID = NAMELESS, NAMELESS + 1

#: The configuration of the manual, line for line; the folder is put in.
AS_IN_THE_MANUAL = """\
[DEFAULT]

###################################
# Pacha Server Configuration
###################################

pacha.frequency = 12

# Pacha master server 
pacha.host = master.example.com

pacha.ssh.user = {user}

pacha.hosts.path = {hosts}
"""  # noqa: W291

CONFIRMATION = """\
SSH Connection: {user}@master.example.com
SSH Port:       {port}
Host to rebuild: bar
Hit Enter to confirm or Ctrl-C to cancel
"""

#: A line a file: name, 100%, size, rate, time, in the columns of scp(1).
FILE_LINE = re.compile(r"\S.{47} 100% {1,4}[0-9]+( {2}|KB|MB) *[0-9]+\.[0-9][KMG]B/s {3}[0-9]{2}:[0-9]{2} {4}")

ODD_NAMES = (
    b"with space",
    b" leading and trailing ",
    b"quote'\"`$(x)",
    b"new\nline",
    b"carriage\rreturn",
    b"escape\x1b[31mred",
    b"not utf-8 \xff\xfe",
    b"-rf",
    b"--help",
    b"back\\slash",
    b"%41 percent",
    b"glob*?[a]",
    b"caf\xc3\xa9",
    b"x" * 255,
    b"\xc3\xa9" * 127,
    b".hgtags",
    b".hgsub",
    b".pacha%41",
    b"con.txt.",
    b"~",
    b"hg~1",
    b"a:b",
)


@dataclass(frozen=True)
class People:
    """Two accounts of the machine, each with a group of its own."""

    one: Account
    two: Account


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """The owners of some files."""
    with account(own("pacha_t_one")) as one, account(own("pacha_t_two")) as two:
        yield People(one, two)


def write(path: Path | bytes, text: bytes, mode: int = 0o644, owner: int = 0, group: int = 0) -> None:
    """Make a file with everything that belongs to it."""
    with open(path, "wb") as stream:
        stream.write(text)
    os.chown(path, owner, group)
    os.chmod(path, mode)


def make_foo(foo: Path, people: People) -> None:
    """A directory like the manual's ``/opt/foo``, with owners, modes, links and names of every kind."""
    one, two = people.one, people.two
    foo.mkdir(parents=True)
    write(foo / "app.conf", b"port = 80\n")
    write(foo / "secret", b"key\n", 0o400, one.uid, two.gid)
    write(foo / "tool", b"#!/bin/sh\n", 0o4755)
    write(foo / "tool of one", b"#!/bin/sh\n", 0o6751, one.uid, one.gid)
    write(foo / "closed", b"nobody reads this\n", 0o000, two.uid, two.gid)
    write(foo / "of nobody", b"number\n", 0o640, NO_UID, NO_GID)
    write(foo / "empty", b"")
    write(foo / "binary", bytes(range(256)) * 4096)
    for name, mode, owner, group in (
        ("shared", 0o2770, one.uid, two.gid),
        ("drop", 0o1777, 0, 0),
        ("read only", 0o555, two.uid, one.gid),
        ("private", 0o000, 0, 0),
        ("nobody's", 0o750, NO_UID, NO_GID),
        ("deep/er/est", 0o700, one.uid, one.gid),
    ):
        folder = foo / name
        folder.mkdir(parents=True)
        if name != "deep/er/est":
            write(folder / "inside", name.encode(), 0o640, owner, group)
        os.chown(folder, owner, group)
        os.chmod(folder, mode)
    (foo / "dangling").symlink_to("nowhere/at all")
    (foo / "absolute").symlink_to("/etc/hostname")
    (foo / "to shared").symlink_to("shared")
    (foo / "up").symlink_to("..")
    (foo / "loop").symlink_to("loop")
    os.lchown(foo / "absolute", one.uid, one.gid)
    os.mkfifo(foo / "pipe", 0o620)
    os.chown(foo / "pipe", two.uid, two.gid)
    os.link(foo / "app.conf", foo / "deep" / "same as app.conf")
    os.link(foo / "app.conf", foo / "zz same")
    (foo / ".hg").mkdir()
    write(foo / ".hg" / "hgrc", b"[hooks]\nupdate = touch /tmp/never\n")
    odd = os.fsencode(foo / "odd")
    os.mkdir(odd)
    for name in ODD_NAMES:
        write(os.path.join(odd, name), name)
        os.mkdir(os.path.join(odd, b"d" + name[:-1]))
    write(os.path.join(odd, b"d" + ODD_NAMES[3][:-1], b"below"), b"x")
    for number, path in enumerate(sorted(foo.rglob("*"))):
        os.utime(path, ns=(0, 1_000_000_000_123_456_789 + number * 3_600_000_000_007), follow_symlinks=False)
    os.utime(foo / "empty", ns=(0, 4_102_444_800_000_000_001))  # 2100
    os.utime(foo / "binary", ns=(0, 1))  # 1970


def change_foo(foo: Path, people: People) -> None:
    """A day later: changed, new, gone, other modes and owners, and kinds that became others."""
    write(foo / "app.conf", b"port = 8080\n")
    write(foo / "new", b"new\n", 0o4750, people.two.uid, people.two.gid)
    os.chmod(foo / "secret", 0o440)
    os.chown(foo / "of nobody", people.one.uid, NO_GID)
    (foo / "empty").unlink()
    (foo / "empty").mkdir()
    shutil.rmtree(foo / "nobody's")
    (foo / "nobody's").symlink_to("drop")
    (foo / "loop").unlink()
    (foo / "deep" / "new").mkdir()
    os.utime(foo / "tool", ns=(0, 999_999_999_999_999_999))


def settle_in(host: Host, ssh_config: str = "") -> None:
    """Give a machine nothing but SSH keys and the configuration of the manual."""
    server, stage = host.stage.server, host.stage
    ssh = host.home / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(server.key, ssh / "id_ed25519")
    shutil.copy(f"{server.key}.pub", ssh / "id_ed25519.pub")
    shutil.copy(server.known_hosts, ssh / "known_hosts")
    (ssh / "config").write_text(
        f"Host master.example.com\n    HostName {server.address}\n    Port {server.port}\n{ssh_config}"
    )
    host.config.write_text(AS_IN_THE_MANUAL.format(user=stage.account.name, hosts=stage.hosts))


def test_a_lost_machine_comes_back_exactly(stage: Stage, people: People) -> None:
    opt, other = stage.folder / "opt", stage.folder / "srv"
    bar = stage.host("bar")
    settle_in(bar)
    bar.config.write_text(bar.config.read_text() + "pacha.hostname = bar\n")
    foo, second, single = opt / "foo", other / "foo", opt / "single file"
    make_foo(foo, people)
    second.mkdir(parents=True)
    write(second / "another", b"another\n")
    write(single, b"single\n", 0o600, people.one.uid, people.two.gid)
    write(opt / "not watched", b"left alone\n")
    os.chown(opt, people.two.uid, people.one.gid)
    os.chmod(opt, 0o2751)

    watched = bar.pacha("--watch", foo, second).must()
    assert "'foo'" in watched.out and "'foo-2'" in watched.out
    bar.pacha("--watch-single", single).must()
    bar.push()
    history = bar.on_master()
    assert sorted(history) == ["db", "foo", "foo-2", "singlefile"]

    idle = bar.push()
    assert "nothing changed" in idle.out
    assert bar.on_master() == history

    change_foo(foo, people)
    assert "foo" in {name for name, hash_ in bar.push().must() and bar.on_master().items() if hash_ != history[name]}
    bar.verify_master()

    kept = copy(opt, stage.folder / "kept" / "opt"), copy(other, stage.folder / "kept" / "srv")
    pictures = picture(opt), picture(other)
    shutil.rmtree(opt)
    shutil.rmtree(other)
    shutil.rmtree(bar.folder)

    fresh = stage.host("fresh", added=False)
    settle_in(fresh)
    done = fresh.pacha("--rebuild", "bar", stdin=b"\n").must()

    assert differences(foo, kept[0] / "foo") == ""
    assert differences(other, kept[1]) == ""
    # The directory above has lost what was not watched, and so has another time.
    gone = {b"not watched", b""}
    assert [line for line in changed(pictures[0], picture(opt)) if line[0] not in gone] == []
    assert changed(pictures[1], picture(other)) == []
    top, was = os.lstat(opt), os.lstat(kept[0])
    assert (top.st_mode, top.st_uid, top.st_gid) == (was.st_mode, was.st_uid, was.st_gid)

    block = CONFIRMATION.format(user=stage.account.name, port=stage.server.port)
    assert "\n".join(line.rstrip() for line in done.out.splitlines()).startswith(block)
    of_files = [line for line in done.err.splitlines() if " 100% " in line]
    assert of_files and [line for line in of_files if not FILE_LINE.fullmatch(line)] == []
    assert {line.split()[0] for line in of_files} >= {"00changelog.i", "00manifest.i", "fncache", "pacha.db.i"}
    assert os.listdir(fresh.temporary) == []
    assert os.stat(fresh.state).st_mode & 0o7777 == 0o700

    write(foo / "after", b"the machine lives on\n")
    assert "1 added" in fresh.push().out
    assert "nothing changed" in fresh.push().out
    assert not (stage.hosts / "fresh").exists(), "it does not push under a name of its own"
    bar.verify_master()


@pytest.fixture(scope="module")
def pushed(sshd: Sshd, bar_user: Account) -> Iterator[Host]:
    """A host that has pushed ``opt/foo``."""
    with on_stage(sshd, bar_user) as stage:
        bar = stage.host("bar")
        (stage.folder / "opt" / "foo").mkdir(parents=True)
        (stage.folder / "opt" / "foo" / "app.conf").write_text("port = 80\n")
        bar.watch(stage.folder / "opt" / "foo")
        bar.push()
        yield bar


@pytest.fixture
def lost(pushed: Host) -> Host:
    """The host when it has lost its state, and something else stands where it kept its file."""
    (pushed.stage.folder / "opt" / "foo" / "app.conf").write_text("local change\n")
    pushed.forget()
    return pushed


def untouched(host: Host) -> bool:
    """Whether a rebuild left this machine and the master alone."""
    text = (host.stage.folder / "opt" / "foo" / "app.conf").read_text()
    return text == "local change\n" and os.listdir(host.temporary) == [] and not (host.state / "pacha.db").exists()


def test_nobody_there_to_confirm(lost: Host) -> None:
    done = lost.pacha("--rebuild", "bar").must(1)
    assert untouched(lost)
    assert "Nothing was done." in done.err and "--yes" in done.err


def test_ctrl_c_instead_of_enter(lost: Host) -> None:
    """At a terminal, which sends the signal itself."""
    ours, theirs = os.openpty()
    command = ["setsid", "--ctty", PACHA, "--rebuild", "bar"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=lost.environment()) as process:
        os.close(theirs)
        shown = b""
        while b"Ctrl-C to cancel" not in shown:
            shown += os.read(ours, 4096)
        time.sleep(0.2)
        os.write(ours, b"\x03")
        assert process.wait(10) == 128 + signal.SIGINT
    shown += os.read(ours, 4096)
    os.close(ours)
    assert b"Traceback" not in shown and b"stopped by Ctrl-C" in shown
    assert untouched(lost)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_instead_of_enter(lost: Host, number: signal.Signals) -> None:
    process = lost.start("--rebuild", "bar", stdin=subprocess.PIPE)
    time.sleep(0.6)
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    assert process.stdin is not None
    process.stdin.close()
    assert untouched(lost)


@pytest.mark.parametrize("words", ["rebuild bar", "--rebuild bar", "--rebuild=bar"])
def test_each_spelling_rebuilds(lost: Host, words: str) -> None:
    lost.pacha(*words.split(), "--yes").must()
    assert (lost.stage.folder / "opt" / "foo" / "app.conf").read_text() == "port = 80\n"


def test_a_second_rebuild_changes_nothing(lost: Host) -> None:
    foo = lost.stage.folder / "opt" / "foo"
    lost.rebuild()
    before = picture(foo), os.lstat(foo / "app.conf").st_ino
    lost.rebuild()
    assert (picture(foo), os.lstat(foo / "app.conf").st_ino) == before


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_whatever_the_umask(lost: Host, umask: int) -> None:
    before = os.umask(umask)
    try:
        lost.rebuild()
        (lost.stage.folder / "opt" / "foo" / f"made with {umask}").mkdir()
        lost.push()
    finally:
        os.umask(before)
    assert os.stat(lost.stage.folder / "opt" / "foo" / "app.conf").st_mode & 0o7777 == 0o644
    assert os.stat(lost.state).st_mode & 0o7777 == 0o700
    assert os.stat(lost.state / "pacha.db").st_mode & 0o077 == 0
