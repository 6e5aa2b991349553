"""A host that is retired or renamed on its master: what it is told, and that it goes on as if nothing had been."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.amount import is_soak
from tests.support.applying import CHANGING
from tests.support.forced import Door
from tests.support.sshd import Account, Sshd, admitted
from tests.support.stage import Host, Stage, changed, on_stage, own, picture, said

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("as_root")]


@pytest.fixture(scope="module")
def user(sshd: Sshd) -> Iterator[Account]:
    """An account whose keys are in its home, as on any master; it has a plain key already."""
    with admitted(sshd, own("pacha_t_away")) as made:
        there, served = made.home / ".ssh" / "authorized_keys", sshd.folder / "authorized" / made.name
        there.parent.mkdir(mode=0o700)
        shutil.move(served, there)
        served.symlink_to(there)
        for path in (there.parent, there):
            os.chown(path, made.uid, made.gid)
        yield made
        served.unlink()
        there.rename(served)


@pytest.fixture
def stage(sshd: Sshd, user: Account) -> Iterator[Stage]:
    """A master without any host, and the account's keys as they were."""
    file = user.home / ".ssh" / "authorized_keys"
    before = file.read_bytes()
    with on_stage(sshd, user) as made:
        yield made
    file.write_bytes(before)


@pytest.fixture(params=["plain", "forced"])
def bar(request: pytest.FixtureRequest, stage: Stage, door: Door) -> Host:
    """A host with a snapshot, with a plain account and behind the forced command."""
    made = stage.host("bar")
    if request.param == "forced":
        door.enrol(made)
    watched = made.folder / "etc"
    watched.mkdir()
    (watched / "file").write_text("one\n")
    made.watch(watched)
    made.push()
    return made


def keys(stage: Stage) -> bytes:
    return (stage.account.home / ".ssh" / "authorized_keys").read_bytes()


def is_forced(host: Host) -> bool:
    return b" serve bar " in keys(host.stage)


def test_retired_and_back(bar: Host, stage: Stage) -> None:
    before, let_in, forced = picture(stage.hosts / "bar"), keys(stage), is_forced(bar)
    bar.pacha("retire", "bar", "--dry-run").must()
    assert changed(before, picture(stage.hosts / "bar")) == []
    done = bar.pacha("retire", "bar", "--yes", "-m", "sold").must(0 if forced else 3)
    assert "pacha retire --undo bar" in done.out + done.err
    assert keys(stage) == b"".join(line for line in let_in.splitlines(True) if b" serve bar " not in line)
    assert (keys(stage) == let_in) is not forced
    archive = stage.hosts / ".retired" / "bar" / "folder"
    assert changed(before, picture(archive)) == []
    refused = bar.push(code=11)
    said(refused, "pacha add-host")
    again = bar.pacha("add-host", "bar", "--user", stage.account.name).must(2)
    said(again, "pacha retire --undo bar")
    assert "bar" not in bar.pacha("hosts").out and "sold" in bar.pacha("retire", "--list").must().out
    bar.pacha("check").must()
    bar.pacha("retire", "--undo", "bar").must()
    assert changed(before, picture(stage.hosts / "bar")) == [] and sorted(keys(stage)) == sorted(let_in)
    assert not (stage.hosts / ".retired" / "bar").exists()
    (bar.folder / "etc" / "file").write_text("two\n")
    bar.push()
    bar.pacha("check", "bar").must()


@pytest.mark.parametrize("bar", ["forced"], indirect=True)  # a plain account asks nobody
def test_a_key_that_was_not_taken_out_is_told(stage: Stage, bar: Host) -> None:
    """As where sshd reads another file: the forced command says so itself, and makes no new folder."""
    let_in = keys(stage)
    bar.pacha("retire", "bar", "--yes").must()
    (stage.account.home / ".ssh" / "authorized_keys").write_bytes(let_in)
    said(bar.push(code=11), "was retired", "pacha retire --undo bar")
    said(bar.pacha("rebuild", "bar", "--yes").must(1), "was retired")
    assert not (stage.hosts / "bar").exists()


def test_renamed_and_back(bar: Host, stage: Stage) -> None:
    let_in, tip = keys(stage), bar.memory["tip"]
    bar.pacha("rename", "bar", "baz", "--yes").must()
    assert keys(stage) == let_in.replace(b" serve bar ", b" serve baz ")
    said(bar.push(code=11), "'baz'" if b" serve baz " in keys(stage) else "hosts/bar")
    bar.configure(hostname="baz")
    bar.name = "baz"
    (bar.folder / "etc" / "file").write_text("two\n")
    bar.push("--take-over")
    assert str(tip)[:12] in bar.pacha("log").must().out
    bar.push()
    bar.pacha("check", "baz").must()
    (bar.folder / "etc" / "file").unlink()
    bar.rebuild()
    assert (bar.folder / "etc" / "file").read_text() == "two\n"
    bar.pacha("rename", "baz", "bar", "--yes").must()
    assert keys(stage) == let_in
    bar.configure(hostname="bar")
    bar.push("--take-over")
    bar.name = "bar"
    bar.verify_master()


def traced(host: Host, words: tuple[str, ...], *options: str) -> str:
    """Run the command under strace(1); what it wrote."""
    log = host.folder / "strace"
    command = ["strace", "-f", "-o", str(log), *options, str(host.program), *words]
    subprocess.run(command, env=host.environment(), capture_output=True, timeout=120)
    return log.read_text()


def points(host: Host, words: tuple[str, ...]) -> list[tuple[str, int]]:
    """Every changing call of an undisturbed run: its name, and which one of that name."""
    counts: dict[str, int] = {}
    for line in traced(host, words, "-e", f"trace={CHANGING.replace('symlinkat', 'symlinkat,symlink')}").splitlines():
        name, bracket, _ = line.split(maxsplit=1)[-1].partition("(")
        if bracket and name.isalnum():
            counts[name] = counts.get(name, 0) + 1
    return [(name, number) for name, count in sorted(counts.items()) for number in range(1, count + 1)]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("bar", ["forced"], indirect=True)  # a plain account has less to do
@pytest.mark.parametrize("words", [("retire", "bar"), ("retire", "--undo", "bar"), ("rename", "bar", "baz")])
def test_killed_at_any_call_a_second_run_ends_it(bar: Host, stage: Stage, words: tuple[str, ...]) -> None:
    """A killed run may leave its lock, as a killed push does; Mercurial breaks it."""
    before, let_in, act = picture(stage.hosts / "bar"), keys(stage), (*words, *([] if "--undo" in words else ["--yes"]))

    def begin() -> None:
        if "--undo" in words:
            bar.pacha("retire", "bar", "--yes").must()

    def take_back() -> None:
        if (stage.hosts / "baz").exists():
            bar.pacha("rename", "baz", "bar", "--yes").must()
        if (stage.hosts / ".retired" / "bar").exists():
            bar.pacha("retire", "--undo", "bar").must()
        assert keys(stage) == let_in
        differing = changed(before, picture(stage.hosts / "bar"))
        assert [path for path, *_ in differing if not path.endswith((b"/store", b"/store/lock"))] == []

    begin()
    every = points(bar, act)
    take_back()
    for call, number in every if is_soak() else random.Random(4).sample(every, 3):
        begin()
        traced(bar, act, "-e", f"inject={call}:signal=KILL:when={number}")
        places = [stage.hosts / "bar", stage.hosts / "baz", stage.hosts / ".retired" / "bar" / "folder"]
        assert sum(map(Path.exists, places)) == 1, (call, number)
        ended = bar.pacha(*act)
        assert ended.code in (0, 1, 2), (call, number, ended)
        assert sum(map(Path.exists, places)) == 1
        assert (stage.hosts / "bar").exists() is ("--undo" in words), (call, number, ended)
        take_back()
