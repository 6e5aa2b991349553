"""The whole story through a forced command, with a plain account, and between versions one apart."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from pacha.wire import control
from tests.support.amount import by_turns
from tests.support.forced import Door
from tests.support.sshd import Account, Sshd
from tests.support.stage import Host, Stage, changed, on_stage, picture, said, small_disk


def make_foo(stage: Stage) -> Path:
    """What is watched: a few files."""
    foo = stage.folder / "opt" / "foo"
    for name in ("one", "two", "below/three"):
        (foo / name).parent.mkdir(parents=True, exist_ok=True)
        (foo / name).write_text(f"{name}\n")
    return foo


def story(host: Host) -> None:
    """A first push, an idle one, one of one file; the machine is lost, comes back, and goes on."""
    foo = make_foo(host.stage)
    host.watch(foo)
    host.push()
    assert "nothing changed" in host.push().out
    (foo / "one").write_text("changed\n")
    assert "1 changed" in host.push().out
    before = picture(foo)
    shutil.rmtree(foo)
    host.forget()
    host.rebuild()
    assert changed(before, picture(foo)) == []
    (foo / "new").write_text("the machine lives on\n")
    assert "1 added" in host.push().out
    assert json.loads(host.repository("last-push").read_text())["exit"] == 0
    host.verify_master()
    assert not list(host.repository("").glob(".new*"))


by_ssh = pytest.mark.parametrize("ssh", ["", "ssh"], ids=["paramiko", "ssh"])  #: pacha.ssh.command


@by_ssh
def test_with_a_plain_account(stage: Stage, ssh: str) -> None:
    host = stage.host("bar")
    host.configure(ssh_command=ssh)
    story(host)
    assert "greeted" not in host.memory


@by_ssh
def test_behind_a_forced_command(stage: Stage, door: Door, ssh: str) -> None:
    host = door.host(stage)
    host.configure(ssh_command=ssh)
    story(host)
    doctor = " ".join(host.pacha("doctor").out.split())  # its lines are broken at the width of the screen
    assert "our key is accepted without a prompt" in doctor and "answers there" in doctor
    assert host.memory["greeted"]
    kept = [path for path in host.repository("").rglob("*") if not path.is_symlink()]
    assert {path.stat().st_mode & 0o077 for path in kept} == {0}


def test_with_pacha_in_the_path_of_a_plain_account(tmp_path: Path, bar_user: Account, door: Door) -> None:
    """It is asked, too; and no Mercurial of the system's is needed."""
    path = f"SetEnv PATH={door.folder}:/usr/bin:/bin"
    with Sshd(tmp_path / "sshd", extra=[path]) as server, on_stage(server, bar_user) as stage:
        server.authorize(bar_user.name)
        host = stage.host("bar")
        host.configure(hg_command="/nowhere/hg")
        story(host)
        assert host.memory["greeted"]


#: What a Pacha can do that starts a process for each repository.
ONE_CHANNEL_EACH = ("beat", "create", "examine", "hooks", "last-push", "make", "new", "probe", "repository")


@pytest.mark.parametrize(
    ("protocol", "capabilities"),
    by_turns([(2, (*control.CAPABILITIES, "later")), (1, ONE_CHANNEL_EACH), (0, ())], 3),
)
def test_a_master_one_apart(stage: Stage, door: Door, protocol: int, capabilities: tuple[str, ...]) -> None:
    story(door.host(stage, program=door.other(protocol, capabilities)))


EARLIER_CHANNEL = "control.SERVE = control.FILL = control.FETCH = 'in the same channel'\n"
LATER_CLIENT = "control.BEAT, control.CREATE = 'beat in style', 'create in style'\n"
EARLIER_CLIENT = (
    "from pacha.wire.master import CannotStream\nfrom pacha.wire.plain_account import PlainAccount\n"
    "from pacha.wire.remote_pacha import RemotePacha\n"
    "RemotePacha.greeting = lambda self, host: None\ndef new(self, host, name):\n    raise CannotStream\n"
    "PlainAccount.new = new\n"
)


@pytest.mark.parametrize(
    ("protocol", "more"), by_turns([(2, LATER_CLIENT), (1, EARLIER_CHANNEL), (0, EARLIER_CLIENT)], 3)
)
def test_a_client_one_apart(stage: Stage, door: Door, protocol: int, more: str) -> None:
    host = door.host(stage)
    host.program = door.other(protocol, control.CAPABILITIES, more)
    story(host)


def test_a_master_that_loses_pacha_and_gets_it_back(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    host.watch(make_foo(stage))
    host.push()
    assert host.memory["greeted"]
    host.configure(ssh_key=str(stage.server.key))
    host.push()
    assert "greeted" not in host.memory
    door.enrol(host)
    host.push()
    assert host.memory["greeted"]


def test_another_hosts_path_than_the_masters_does_not_matter(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    host.configure(hosts_path="/somewhere/else")
    host.watch(make_foo(stage))
    told = f"pacha.hosts.path is /somewhere/else, but this key leads to {stage.hosts} on"
    assert [told in " ".join(f"{done.out}{done.err}".split()) for done in (host.push(), host.push())] == [True, False]
    host.rebuild()
    found = json.loads(host.pacha("doctor", "--json").must(3).out)
    assert f"pacha.hosts.path = {stage.hosts}" in {one["cure"].partition("Set ")[2] for one in found if one["cure"]}


def test_another_host_than_the_keys_own(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    host.watch(make_foo(stage))
    host.push()
    said(host.pacha("rebuild", "nosuch", "--yes").must(11), "This key is let in for 'bar', not for 'nosuch'.")
    host.settings["pacha.hostname"] = "other"
    host.configure()
    said(
        host.pacha("push", "--take-over").must(11),
        "let in for 'bar', not for 'other'",
        "pacha.hostname = bar",
        "pacha rename bar other",
    )
    found = json.loads(host.pacha("doctor", "--json").must(11).out)
    assert [one["error"] for one in found if one["check"] in ("master", "programs")] == ["key-of-another-host"]


def test_a_host_begins_anew_as_the_questions_say(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    host.watch(make_foo(stage))
    host.push()
    host.repository("").rename(stage.hosts / ".bar-until-today")
    host.pacha("add-host", "bar", "--user", stage.account.name).must()
    host.forget()
    host.watch(make_foo(stage))
    host.push()
    assert len(host.pacha("log").must().out.splitlines()) == 1
    assert [one["host"] for one in json.loads(host.pacha("hosts", "--json").must().out)] == ["bar"]


def test_a_folder_that_is_gone_from_the_master(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    shutil.rmtree(stage.hosts / "bar")
    said(host.pacha("rebuild", "bar", "--yes").must(1), "There is no host 'bar' on", "is not on the master")


def test_a_pacha_that_the_account_cannot_run(stage: Stage, door: Door, tmp_path: Path) -> None:
    (tmp_path / "pacha").touch(0o700)
    host = door.host(stage, program=tmp_path / "pacha")
    host.watch(make_foo(stage))
    said(host.push(code=11), "cannot be run", "not below /root", "pacha add-host bar --key")
    assert "cannot be run on the master" in " ".join(host.pacha("doctor").must(11).out.split())


def test_a_key_for_rebuilding_writes_nothing(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    foo = make_foo(stage)
    host.watch(foo)
    host.push()
    history, before = host.on_master(), host.repository("last-push").read_text()
    door.enrol(host, "--rebuild-only", "--expires", "1d")
    said(host.push(code=11), "may not push", "rebuild only", "pacha add-host bar")
    (foo / "one").write_text("changed\n")
    said(host.push(code=11), "may not push")
    assert (host.on_master(), host.repository("last-push").read_text()) == (history, before)
    assert "it does not have this machine's newest snapshot" in host.rebuild(code=3).out
    assert (foo / "one").read_text() == "one\n"


def test_a_key_for_pushing_reads_nothing(stage: Stage, door: Door) -> None:
    host = door.host(stage, "bar", "--push-only")
    foo = make_foo(stage)
    host.watch(foo)
    host.push()
    host.push()
    (foo / "one").write_text("changed\n")
    host.push()
    host.verify_master()
    said(
        host.rebuild("--target", stage.folder / "out", code=11),
        "cannot be fetched with this key",
        "cannot be fetched with this key",
    )
    assert not (stage.folder / "out").exists()
    host.forget()
    host.watch(foo)
    said(host.push(code=11), "does not remember making", "cannot be fetched with this key")


def test_a_key_whose_time_is_over_is_not_let_in(stage: Stage, door: Door) -> None:
    host = door.host(stage, "bar", "--expires", "1h")
    file = stage.server.folder / "authorized" / stage.account.name
    host.watch(make_foo(stage))
    text = file.read_text()
    file.write_text(re.sub(r'expiry-time="20\d\d', 'expiry-time="2001', text))
    try:
        host.push(code=11)
    finally:
        file.write_text(text)


def test_the_master_vouches_for_hooks(stage: Stage, door: Door) -> None:
    """For root's; one that the host's own account put there, if it ever could, is refused."""
    host = door.host(stage)
    foo = make_foo(stage)
    host.watch(foo)
    host.push()
    hook = stage.hosts / ".hooks" / "bar" / "pacha_pre" / "10-say"
    hook.parent.mkdir(parents=True)
    stage.hosts.chmod(0o755)
    hook.write_text(f"#!/bin/sh\necho ran > {host.folder}/ran\n")
    hook.chmod(0o755)
    host.rebuild("--hooks")
    assert (host.folder / "ran").read_text() == "ran\n"
    os.chown(hook, stage.account.uid, stage.account.gid)
    (host.folder / "ran").unlink()
    host.rebuild("--hooks", code=1)
    assert not (host.folder / "ran").exists()


def test_a_full_disk_on_the_master(stage: Stage, door: Door) -> None:
    """The push says so, with the code of a failure; when there is room again the next one sends it all."""
    with small_disk(stage.hosts, "8m"):
        host = door.host(stage)
        foo = make_foo(stage)
        host.watch(foo)
        host.push()
        filler = stage.hosts / "filler"
        filler.write_bytes(bytes(13 << 19))
        (foo / "large").write_bytes(os.urandom(1_500_000))
        said(host.push(code=1), "No space left", "room on the master")
        filler.unlink()
        (foo / "large").write_bytes(os.urandom(500_000))
        host.push()
        host.verify_master()


def test_root_is_told_of_each_push(stage: Stage, door: Door) -> None:
    host = door.host(stage)
    folder, told = stage.hosts / ".hooks/on-push.d", stage.folder / "told"
    folder.mkdir(parents=True)
    told.mkdir()
    told.chmod(0o777)  # the program runs as the host's account
    (folder / "10-tell").write_text(f"#!/bin/sh\ncat > {told}/new.$$ && mv {told}/new.$$ {told}/$PACHA_SNAPSHOT\n")
    (folder / "10-tell").chmod(0o755)
    (folder / "20-fails").write_text("#!/bin/sh\necho on stderr >&2; exit 1\n")
    (folder / "20-fails").chmod(0o755)
    foo = make_foo(stage)
    host.watch(foo)
    assert host.push().err == ""
    (foo / "one").write_text("changed\n")
    host.push()
    host.push()  # with nothing to say
    tip = json.loads(host.repository("last-push").read_text())["tip"]
    said = json.loads(eventually(told / tip))
    assert said["host"] == "bar" and {"change": "M", "path": str(foo / "one")} in said["paths"]
    assert len(list(told.iterdir())) == 2


def eventually(path: Path) -> str:
    """What a file has, as soon as it is there."""
    deadline = time.monotonic() + 30
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.read_text()
