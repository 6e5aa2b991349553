"""Files of accounts that the restored account files lack: nobody else gets them, and they are named until settled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.machine import Machine, Person

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("as_root")]
NUMBER, OTHER, FREE = 61010, 61020, 2_100_061_010
KEY = "/home/debian/.ssh/authorized_keys"
#: As the image brought them: a home, a program that is setgid, a folder of somebody else's in the group.
DEBIANS = {KEY: (NUMBER, NUMBER, "0600"), "/opt/tool": (0, NUMBER, "2755"), "/var/shared": (0, NUMBER, "2770")}
KEPT = {KEY: (FREE, FREE, "0600"), "/opt/tool": (0, FREE, "2755"), "/var/shared": (0, FREE, "2770")}


@pytest.fixture
def fresh(tmp_path: Path) -> Machine:
    """The machine of a cloud's image: its debian has the number that app has on bar."""
    made = Machine(tmp_path / "root", [Person("app", NUMBER)])
    made.pacha("watch", "/etc")
    made.pacha("push")
    made.lose()
    made.populate(Person("debian", NUMBER))
    for folder in ("/home/debian", "/home/debian/.ssh"):
        made.write(folder, NUMBER, NUMBER, 0o700, folder=True)
    made.write(KEY, NUMBER, NUMBER, 0o600)
    made.write("/opt/tool", 0, NUMBER, 0o2755)
    made.write("/var/shared", 0, NUMBER, 0o2770, folder=True)
    return made


def whose(machine: Machine) -> dict[str, tuple[int, int, str]]:
    return {path: machine.whose(path) for path in DEBIANS}


def orphans(machine: Machine) -> list[tuple[str, str, int, int]]:
    """What status counts for programs; it must not be fine while there is some."""
    done = machine.pacha("status", "--json", code=None)
    found = json.loads(done.out)["orphans"]
    assert done.code == 3 or not found
    return [(one["kind"], one["account"], one["number"], one["count"]) for one in found]


def test_they_are_nobodys_and_named_until_an_account_has_them(fresh: Machine) -> None:
    planned = fresh.pacha("rebuild", "bar", "--dry-run", code=3)
    assert whose(fresh) == DEBIANS
    done = fresh.pacha("rebuild", "bar", "--yes", code=3)
    assert whose(fresh) == KEPT
    said = f"3 paths of user debian, which the restored account files do not have: kept under number {FREE}"
    for run in (planned, done):
        assert f"         {said} (/home/debian)\n" in run.out, "before anything is changed"
        assert f"pacha: /home/debian: {said}" in run.lines
    assert "app:x:61010" in fresh.at("/etc/passwd").read_text()

    again = fresh.pacha("rebuild", "bar", "--yes", code=3)
    assert whose(fresh) == KEPT and f"pacha: /home/debian: {said}" in again.lines
    part = fresh.pacha("rebuild", "bar", "--yes", "--path", "/etc/passwd", code=3)
    assert f"pacha: /home/debian: {said}" in part.lines
    assert orphans(fresh) == [("user", "debian", FREE, 3), ("group", "debian", FREE, 5)]
    assert said in fresh.pacha("status", code=3).out
    assert "useradd --uid 2100061010 NAME" in fresh.pacha("doctor", code=3).out

    fresh.run("groupadd", "--gid", str(FREE), "debian").must()
    fresh.run("useradd", "--uid", str(FREE), "--gid", "debian", "debian").must()
    assert orphans(fresh) == []
    assert "2100061010" not in fresh.pacha("doctor", code=None).out


def test_what_was_given_to_somebody_is_settled(fresh: Machine) -> None:
    fresh.pacha("rebuild", "bar", "--yes", code=3)
    fresh.run("sh", "-c", "chown -R root:root /home/debian && chgrp root /opt/tool /var/shared").must()
    assert orphans(fresh) == []
    fresh.pacha("rebuild", "bar", "--yes")
    assert "orphans" not in json.loads(fresh.at("/state/memory.json").read_text())


def test_an_account_that_comes_back_has_them_again(fresh: Machine) -> None:
    """The next snapshot has debian, under another number."""
    fresh.pacha("rebuild", "bar", "--yes", code=3)
    before = {name: fresh.at(f"/etc/{name}").read_bytes() for name in ("passwd", "group", "shadow", "gshadow")}
    fresh.populate(Person("app", NUMBER), Person("debian", OTHER))
    fresh.pacha("push", code=None)
    for name, text in before.items():
        fresh.at(f"/etc/{name}").write_bytes(text)
    fresh.pacha("rebuild", "bar", "--yes")
    assert whose(fresh)[KEY] == (OTHER, OTHER, "0600") and whose(fresh)["/opt/tool"] == (0, OTHER, "2755")
    assert orphans(fresh) == []


def test_undo_gives_them_back(fresh: Machine) -> None:
    fresh.pacha("rebuild", "bar", "--yes", code=3)
    fresh.pacha("undo", code=None)
    assert whose(fresh) == DEBIANS
    assert orphans(fresh) == []


def test_a_machine_that_keeps_its_numbers_gives_theirs_to_nobody(fresh: Machine) -> None:
    fresh.pacha("rebuild", "bar", "--yes", "--accounts", "keep", code=3)
    assert whose(fresh) == DEBIANS
    assert f":x:{NUMBER}:" not in fresh.at("/etc/passwd").read_text()
    assert orphans(fresh) == [("user", "debian", NUMBER, 3), ("group", "debian", NUMBER, 5)]
    fresh.run("groupadd", "--gid", str(NUMBER), "newcomer").must()
    fresh.run("useradd", "--uid", str(NUMBER), "--gid", "newcomer", "newcomer").must()
    assert len(orphans(fresh)) == 2, "an account got the number by chance"
    fresh.run("userdel", "newcomer").must()
    fresh.run("useradd", "--uid", str(NUMBER), "--no-user-group", "debian").must()
    assert [one[0] for one in orphans(fresh)] == ["group"]


def test_below_a_target_they_are_nobodys_too(fresh: Machine) -> None:
    fresh.at("/mnt/etc").mkdir(parents=True)
    for name in ("passwd", "group"):
        fresh.at(f"/mnt/etc/{name}").write_bytes(fresh.at(f"/etc/{name}").read_bytes())
    fresh.write("/mnt/home/key", NUMBER, NUMBER, 0o600)
    for _ in range(2):
        done = fresh.pacha("rebuild", "bar", "--yes", "--target", "/mnt", code=3)
        assert fresh.whose("/mnt/home/key") == (FREE, FREE, "0600")
        assert [line for line in done.lines if "1 path of user debian" in line] != []
    assert whose(fresh) == DEBIANS and orphans(fresh) == []
