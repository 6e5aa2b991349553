"""Whose files are after a rebuild on a machine whose accounts are others: the right one's, or root's and named."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from pacha.config.load import load_config
from pacha.host.context import Context
from pacha.host.watch import watch
from pacha.push.push import push
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.rebuild import rebuild
from pacha.rebuild.result import Reporter
from pacha.store.state import StateFolder
from tests.support.amount import by_turns
from tests.support.machine import Machine, Person
from tests.support.sshd import account
from tests.support.stage import PACHA, Done, Host, alone
from tests.support.trees import run

pytestmark = pytest.mark.usefixtures("as_root")
ANN, BOB, NAMELESS, OTHER = 61001, 61002, 61099, 61050
DATA = "/srv/data"


@pytest.fixture
def bar(tmp_path: Path) -> Machine:
    """A machine that has pushed files of ann, of bob and of a number without a name."""
    made = Machine(tmp_path / "root", [Person("ann", ANN, "/home/ann", "/bin/false"), Person("bob", BOB)])
    made.write(DATA, 0, 0, 0o755, folder=True)
    made.write(f"{DATA}/ann's", ANN, ANN)
    made.write(f"{DATA}/ann's tool", ANN, ANN, 0o6755)
    made.write(f"{DATA}/ann's key", ANN, BOB, 0o640)
    made.write(f"{DATA}/group ann's tool", 0, ANN, 0o2755)
    made.write(f"{DATA}/ann's folder", ANN, ANN, 0o2775, folder=True)
    made.write(f"{DATA}/ann's folder/bob's", BOB, BOB, 0o4711)
    made.write(f"{DATA}/nobody's", NAMELESS, NAMELESS, 0o4755)
    run("setcap", "cap_net_raw+ep", made.write(f"{DATA}/ann's capable", ANN, 0, 0o755))
    acl = f"u:{ANN}:rw,u:{BOB}:r,g:{BOB}:rx,u:{NAMELESS}:x"
    run("setfacl", "-m", acl, made.write(f"{DATA}/by acl"))
    run("setfacl", "-d", "-m", acl, made.write(f"{DATA}/by default acl", folder=True))
    made.pacha("watch", DATA)
    made.pacha("push")
    return made


def concerns(done: Done) -> dict[str, str]:
    """What stderr names below the data, by name."""
    lines = [line.removeprefix(f"pacha: {DATA}/") for line in done.lines if line.startswith(f"pacha: {DATA}/")]
    return dict(line.split(": ", 1) for line in lines)


def acl_of(bar: Machine, name: str) -> set[str]:
    """The entries for single users and groups, by number."""
    lines = run("getfacl", "-n", "-p", "-c", bar.at(f"{DATA}/{name}")).decode().split()
    return {line for line in lines if ("user:" in line or "group:" in line) and "::" not in line}


def belong_to(bar: Machine, number: int) -> set[str]:
    """What has a number as owner or group."""
    found = set()
    for folder, folders, files in os.walk(bar.at(DATA)):
        for name in [*folders, *files]:
            status = os.lstat(os.path.join(folder, name))
            if number in (status.st_uid, status.st_gid):
                found.add(name)
    return found


def test_names_that_are_lacking(bar: Machine) -> None:
    """ann is gone, and bob has the number that was hers."""
    bar.lose(DATA)
    bar.populate(Person("bob", ANN))
    done = bar.pacha("rebuild", "bar", "--yes", code=3)
    said = concerns(done)
    for name, mode in (("ann's", "0600"), ("ann's tool", "0700"), ("ann's folder", "0700"), ("ann's capable", "0700")):
        assert bar.whose(f"{DATA}/{name}") == (0, 0, mode)
        assert f"ann ({ANN})" in said[name]
    assert bar.whose(f"{DATA}/ann's key") == (0, ANN, "0600")
    assert bar.whose(f"{DATA}/group ann's tool") == (0, 0, "0700")
    assert bar.whose(f"{DATA}/ann's folder/bob's") == (ANN, ANN, "4711")
    assert bar.whose(f"{DATA}/nobody's") == (NAMELESS, NAMELESS, "4755")
    assert run("getcap", "-r", bar.at(DATA)) == b""
    assert acl_of(bar, "by acl") == {f"user:{ANN}:r--", f"group:{ANN}:r-x", f"user:{NAMELESS}:--x"}
    assert f"user {ANN}" in said["by acl"] and f"user {ANN}" in said["by default acl"]
    assert belong_to(bar, ANN) == {"ann's key", "bob's"}, "a number that is bob's now is never ann's"
    assert set(said) == {
        "ann's", "ann's tool", "ann's key", "group ann's tool", "ann's folder", "ann's capable", "by acl",
        "by default acl",
    }  # fmt: skip

    for line in done.lines:
        if line.strip().startswith(("groupadd", "useradd")):
            bar.run("sh", "-c", line).must()
    entry = next(line for line in bar.at("/etc/passwd").read_text().splitlines() if line.startswith("ann:")).split(":")
    assert entry[5:] == ["/home/ann", "/bin/false"] and int(entry[2]) != ANN
    bar.pacha("rebuild", "bar", "--yes")
    uid, gid = int(entry[2]), int(entry[3])
    assert bar.whose(f"{DATA}/ann's tool") == (uid, gid, "6755")
    assert bar.whose(f"{DATA}/ann's key") == (uid, ANN, "0640")
    assert bar.whose(f"{DATA}/group ann's tool") == (0, gid, "2755")
    assert b"cap_net_raw" in run("getcap", bar.at(f"{DATA}/ann's capable"))
    expected = {f"user:{uid}:rw-", f"user:{ANN}:r--", f"group:{ANN}:r-x", f"user:{NAMELESS}:--x"}
    assert acl_of(bar, "by acl") == expected
    assert acl_of(bar, "by default acl") == {f"default:{entry}" for entry in expected}


def test_the_commands_come_with_the_recorded_number_where_it_is_free(bar: Machine) -> None:
    bar.lose(DATA)
    bar.populate(Person("bob", BOB))
    done = bar.pacha("rebuild", "bar", "--yes", code=3)
    lines = [line.strip() for line in done.lines if line.strip().startswith(("groupadd", "useradd"))]
    assert lines[0] == f"groupadd --gid {ANN} ann"
    assert lines[1].startswith(
        f"useradd --uid {ANN} --gid ann --home-dir /home/ann --no-create-home --shell /bin/false"
    )


def test_a_push_after_it_does_not_make_the_loss_the_newest_snapshot(bar: Machine) -> None:
    bar.lose(DATA)
    bar.populate(Person("bob", ANN))
    bar.pacha("rebuild", "bar", "--yes", code=3)
    bar.pacha("push", code=3)
    again = bar.pacha("push", code=3)
    assert "nothing changed" in again.out
    bar.populate(Person("ann", OTHER), Person("bob", ANN))
    bar.pacha("rebuild", "bar", "--yes")
    assert bar.whose(f"{DATA}/ann's tool") == (OTHER, OTHER, "6755")
    assert {f"user:{OTHER}:rw-", f"user:{ANN}:r--"} <= acl_of(bar, "by acl")
    bar.pacha("push")


@pytest.mark.parametrize("name", ["sysop", "toor", None])
def test_root_by_another_name(bar: Machine, name: str | None) -> None:
    """User 0 and group 0 are the same everywhere."""
    bar.write(f"{DATA}/root's tool", mode=0o4755)
    bar.at("/etc/nsswitch.conf").write_text("passwd: files\ngroup: files\n")  # systemd's makes up a root
    for file in ("passwd", "group"):
        lines = bar.at(f"/etc/{file}").read_text().splitlines(keepends=True)
        first = [lines[0].replace("root", name, 1)] if name else []
        bar.at(f"/etc/{file}").write_text("".join([*first, *lines[1:]]))
    bar.pacha("push")
    bar.lose(DATA)
    bar.populate(Person("ann", ANN), Person("bob", BOB), *([Person(name, OTHER)] if name == "toor" else []))
    bar.pacha("rebuild", "bar", "--yes")
    assert bar.whose(f"{DATA}/root's tool") == (0, 0, "4755")


def in_namespace(bar: Host, *arguments: str | Path) -> Done:
    """Run pacha in a user namespace that has root, and nobody else."""
    command = ["unshare", "--map-root-user", PACHA, *arguments]
    done = subprocess.run(command, env=bar.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_owners_that_a_user_namespace_does_not_map(tmp_path: Path) -> None:
    """The kernel shows each of them as nobody's number; they are not nobody's."""
    bar, data = alone(tmp_path), tmp_path / "data"
    data.mkdir()
    for name, owner in (("root's", 0), ("unmapped", NAMELESS)):
        (data / name).write_text("x")
        os.chown(data / name, owner, 0)
    bar.watch(data)
    done = in_namespace(bar, "push").must(3)
    assert f"{data}/unmapped: its owner is one that this user namespace does not map" in done.err
    assert "nothing changed" in in_namespace(bar, "push").must(3).out
    shutil.rmtree(data)
    bar.rebuild(code=3)
    assert (data / "unmapped").stat().st_uid == 0 and (data / "unmapped").stat().st_mode & 0o777 == 0o600
    assert (data / "root's").stat().st_mode & 0o777 == 0o644


def test_what_a_user_namespace_refuses_is_one_concern(tmp_path: Path) -> None:
    bar, data = alone(tmp_path), tmp_path / "data"
    data.mkdir()
    os.mknod(data / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for name, owner in (("root's", 0), ("unmapped", NAMELESS)):
        (data / name).write_text("x")
        os.chown(data / name, owner, 0)
    bar.watch(data)
    bar.push()
    shutil.rmtree(data)
    done = in_namespace(bar, "rebuild", "bar", "--yes").must(3)
    assert f"{data}/device: " in done.err and f"{data}/unmapped: " in done.err and "root's: " not in done.err
    assert (data / "root's").read_text() == (data / "unmapped").read_text() == "x"


def test_a_number_without_a_name_that_somebody_has_now(bar: Machine) -> None:
    bar.lose(DATA)
    bar.populate(Person("ann", ANN), Person("bob", BOB), Person("carl", NAMELESS))
    said = concerns(bar.pacha("rebuild", "bar", "--yes", code=3))
    assert bar.whose(f"{DATA}/nobody's") == (0, 0, "0700")
    assert belong_to(bar, NAMELESS) == set()
    assert f"number {NAMELESS}" in said["nobody's"]
    assert f"user:{NAMELESS}:--x" not in acl_of(bar, "by acl") and f"user {NAMELESS}" in said["by acl"]


@pytest.mark.parametrize(
    ("text", "tool", "group_tool"),
    [
        ("ann:bob\n", (BOB, BOB, "6755"), (0, BOB, "2755")),
        ("# who is who\n\nu:ann:bob\ng:ann:root\n", (BOB, 0, "6755"), (0, 0, "2755")),
        (f"ann:{OTHER}\n", (OTHER, OTHER, "6755"), (0, OTHER, "2755")),
    ],
    ids=["both", "each", "number"],
)
def test_an_owner_map(bar: Machine, text: str, tool: tuple[int, int, str], group_tool: tuple[int, int, str]) -> None:
    bar.lose(DATA)
    bar.populate(Person("bob", BOB))
    bar.at("/map").write_text(text)
    bar.pacha("rebuild", "bar", "--yes", "--owner-map", "/map")
    assert bar.whose(f"{DATA}/ann's tool") == tool
    assert bar.whose(f"{DATA}/group ann's tool") == group_tool
    assert f"user:{tool[0]}:rw-" in acl_of(bar, "by acl") or tool[0] == BOB


@pytest.mark.parametrize(
    "text", by_turns(["ann\n", "x:ann:bob\n", "ann:nosuch\n", "u:ann:\n", "a:b:c:d\n", "g:ann:nosuch\n", None], 3)
)
def test_a_wrong_owner_map(bar: Machine, text: str | None) -> None:
    bar.lose(DATA)
    if text is not None:
        bar.at("/map").write_text(text)
    done = bar.pacha("rebuild", "bar", "--yes", "--owner-map", "/map", code=2)
    assert not bar.at(DATA).exists() and "map" in done.err


def test_a_target_with_accounts_of_its_own(bar: Machine) -> None:
    """Names are those of the system that is being made, not of the one that makes it."""
    bar.lose(DATA)
    bar.populate(Person("bob", 61077))
    etc = bar.at("/mnt/etc")
    etc.mkdir(parents=True)
    for name in ("passwd", "group"):
        (etc / name).write_text(f"root:x:0:0::/:\nann:x:{OTHER}:{OTHER}::/:\nbob:x:61051:61051::/:\n")
    done = bar.pacha("rebuild", "bar", "--yes", "--target", "/mnt")
    assert "account files below /mnt" in done.out
    assert bar.whose(f"/mnt{DATA}/ann's tool") == (OTHER, OTHER, "6755")
    assert bar.whose(f"/mnt{DATA}/ann's key") == (OTHER, 61051, "0640")


def test_a_plain_user_gets_all_that_is_hers_to_have(bar: Machine) -> None:
    os.mknod(bar.at(f"{DATA}/device"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
    bar.write(f"{DATA}/root's secret", mode=0o600)
    bar.write(f"{DATA}/root's tool", mode=0o4755)
    bar.write(f"{DATA}/open to root's group", mode=0o660)
    bar.pacha("push")
    run("chown", "-R", f"{ANN}:{ANN}", bar.at("/master"))
    bar.write("/home/ann", ANN, ANN, 0o700, folder=True)
    bar.environment = {"PACHA_STATE": "/home/ann/state", "HOME": "/home/ann"}
    done = bar.pacha("rebuild", "bar", "--yes", "--target", "/home/ann/out", code=3, number=ANN)
    said = concerns(Done(3, "", done.err.replace("/home/ann/out", "")))
    there = f"/home/ann/out{DATA}"
    assert bar.whose(f"{there}/ann's") == (ANN, ANN, "0644")
    assert bar.whose(f"{there}/ann's tool") == (ANN, ANN, "6755")
    assert bar.whose(f"{there}/ann's key") == (ANN, ANN, "0600"), "group bob's rights are not group ann's"
    assert bar.whose(f"{there}/root's tool") == (ANN, ANN, "0755")
    assert bar.whose(f"{there}/open to root's group") == (ANN, ANN, "0600")
    assert not bar.at(f"{there}/device").exists()
    assert "device" in said["device"]
    assert "root (0)" in said["root's tool"] and "security.capability" in said["ann's capable"]
    assert not {"ann's", "ann's tool"} & set(said)
    again = bar.pacha("rebuild", "bar", "--yes", "--target", "/home/ann/out", code=3, number=ANN)
    assert not any(word in again.out for word in ("to make", " made", "replace", "given back"))


def test_lacking_names_are_told_before_anything_is_written(tmp_path: Path) -> None:
    with account("pacha_x_gone") as gone:
        data = tmp_path / "data"
        data.mkdir()
        os.chown(data, gone.uid, gone.gid)
        (tmp_path / "conf").write_text(
            f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}/m\npacha.hostname = bar\n"
        )
        here = Context(load_config(tmp_path / "conf"), StateFolder(tmp_path / "state"))
        watch(here, os.fsencode(data))
        push(here)
    shutil.rmtree(data)
    told: list[tuple[bool, tuple[str, ...]]] = []

    def on_plan(proposal: Proposal) -> None:
        told.append((data.exists(), proposal.preview.commands))

    made = rebuild(here, "bar", RebuildOptions(), Reporter(on_plan=on_plan))
    assert len(told) == 1 and not told[0][0]
    assert [command.split()[0] for command in told[0][1]] == ["groupadd", "useradd"]
    assert [concern.path for concern in made.concerns] == [os.fsencode(data)]
