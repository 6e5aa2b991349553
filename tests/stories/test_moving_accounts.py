"""Accounts that move: a rebuild brings account files in which names have other numbers than on this machine."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.amount import is_soak
from tests.support.machine import Machine, Person
from tests.support.trees import run

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]
WWW, DB, MAIL, GONE = 61010, 61011, 61012, 61013
NOBODYS = 2_100_000_000 + GONE  #: what becomes of the number of an account that the restored files lack
#: A folder, files with and without setuid, setgid and capabilities, a link: all outside what is watched.
ELSEWHERE = {
    "/opt/tool": (0, WWW, "2755"),
    "/opt/suid": (DB, DB, "4711"),
    "/opt/capable": (WWW, 0, "0755"),
    "/opt/linked": (DB, WWW, "0644"),
    "/opt/also linked": (DB, WWW, "0644"),
    "/opt/symlink": (WWW, DB, "0777"),
    "/var/db": (DB, DB, "0700"),
    "/var/db/new\nline": (DB, MAIL, "0640"),
    "/opt/gone's": (GONE, GONE, "0644"),
    "/opt/root's": (0, 0, "0644"),
    "/opt/number's": (61077, 61077, "0644"),
}


@pytest.fixture
def fresh(tmp_path: Path) -> Machine:
    """A machine on which www and db have each other's numbers of before, and that has an account more."""
    made = Machine(tmp_path / "root", [Person("www", DB), Person("db", WWW), Person("mail", MAIL)])
    made.write("/srv/of www", DB, DB)
    made.pacha("watch", "/etc", "/srv")
    made.pacha("push")
    made.lose("/srv")
    made.at("/srv").mkdir()
    made.populate(Person("www", WWW), Person("db", DB), Person("mail", MAIL), Person("gone", GONE))
    made.write("/var/db", DB, DB, 0o700, folder=True)
    for path, (uid, gid, mode) in ELSEWHERE.items():
        if path == "/opt/symlink":
            made.at(path).symlink_to("/etc/passwd")
            os.chown(made.at(path), uid, gid, follow_symlinks=False)
        elif path == "/opt/also linked":
            os.link(made.at("/opt/linked"), made.at(path))
        elif path != "/var/db":
            made.write(path, uid, gid, int(mode, 8))
    run("setcap", "cap_net_raw+ep", made.at("/opt/capable"))
    run("setfacl", "-m", f"u:{WWW}:r,g:{DB}:rw", made.at("/opt/number's"))
    return made


def whose(machine: Machine) -> dict[str, tuple[int, int, str]]:
    return {path: machine.whose(path) for path in ELSEWHERE}


def swapped(entry: tuple[int, int, str]) -> tuple[int, int, str]:
    other = {WWW: DB, DB: WWW, GONE: NOBODYS}
    return other.get(entry[0], entry[0]), other.get(entry[1], entry[1]), entry[2]


def expected() -> dict[str, tuple[int, int, str]]:
    """What belongs to names, in the restored numbers; the one with an ACL has a mask for a group."""
    return {path: swapped(entry) for path, entry in before().items()}


def before() -> dict[str, tuple[int, int, str]]:
    return {**ELSEWHERE, "/opt/number's": (61077, 61077, "0664")}


def test_files_elsewhere_follow_their_names(fresh: Machine) -> None:
    assert whose(fresh) == before()
    times = {path: os.lstat(fresh.at(path)).st_mtime_ns for path in ELSEWHERE}
    done = fresh.pacha("rebuild", "bar", "--yes", code=3)
    assert whose(fresh) == expected()
    assert fresh.whose("/srv/of www") == (DB, DB, "0644")
    assert b"cap_net_raw=ep" in run("getcap", fresh.at("/opt/capable"))
    acl = run("getfacl", "-n", "-p", "-c", fresh.at("/opt/number's")).decode().split()
    assert f"user:{DB}:r--" in acl and f"group:{WWW}:rw-" in acl
    assert {path: os.lstat(fresh.at(path)).st_mtime_ns for path in ELSEWHERE} == times
    assert os.lstat(fresh.at("/opt/linked")).st_ino == os.lstat(fresh.at("/opt/also linked")).st_ino
    assert "www:x:61011" in fresh.at("/etc/passwd").read_text()

    of_gone = [line for line in done.lines if "/opt/gone's" in line]
    assert of_gone == [
        f"pacha: /opt/gone's: 1 path of {kind} gone, which the restored account files do not have: "
        f"kept under number {NOBODYS}"
        for kind in ("user", "group")
    ]
    assert [line for line in done.lines if "/opt/" in line and "gone's" not in line] == []
    assert "9 paths elsewhere to re-own" in done.out
    for line in ("user www, 61010 -> 61011: 2", "user db, 61011 -> 61010: 4", "group www, 61010 -> 61011: 2"):
        assert f"         {line}\n" in done.out

    again = fresh.pacha("rebuild", "bar", "--yes", code=3)
    assert "re-own" not in again.out
    assert of_gone == [line for line in again.lines if "/opt/gone's" in line]
    assert whose(fresh) == expected()

    fresh.pacha("undo")
    assert whose(fresh) == before()
    assert b"cap_net_raw=ep" in run("getcap", fresh.at("/opt/capable"))
    assert "www:x:61010" in fresh.at("/etc/passwd").read_text()


#: pacha that kills itself before its so-many-th change of a name, an owner or a mode.
KILLED = """
import os, signal, sys
import pacha.__main__ as command
from pacha.system import syscalls as kernel
left = int(sys.argv.pop(1))
def counted(real):
    def call(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    return call
for module, names in ((os, ("rename", "chown", "chmod", "link")), (kernel, ("exchange", "rename_new"))):
    for name in names:
        setattr(module, name, counted(getattr(module, name)))
command.main(sys.argv[1:])
"""
KILLS = [
    int(word) for word in os.environ.get("PACHA_KILL_POINTS", "1 5 9 13 17 20 31" if is_soak() else "20 31").split()
]


@pytest.mark.parametrize("number", KILLS)
def test_killed_and_run_again(fresh: Machine, number: int) -> None:
    """Half of the files have got their new numbers, which the other account had: that is not taken for its own."""
    killed = fresh.run(sys.executable, "-c", KILLED, str(number), "rebuild", "bar", "--yes")
    assert killed.code == -signal.SIGKILL, "it came to its end"
    fresh.pacha("rebuild", "bar", "--yes", code=None)
    assert whose(fresh) == expected()
    assert b"cap_net_raw=ep" in run("getcap", fresh.at("/opt/capable"))
    assert "www:x:61011" in fresh.at("/etc/passwd").read_text()
    assert "www:x:61011" in fresh.at("/etc/group").read_text()
    fresh.pacha("undo", code=None)
    if whose(fresh) != before():
        fresh.pacha("undo", code=None)  # the first one was killed when it had put everything back
    assert whose(fresh) == before()
    assert "www:x:61010" in fresh.at("/etc/passwd").read_text()


def test_this_machine_keeps_its_numbers(fresh: Machine) -> None:
    fresh.pacha("rebuild", "bar", "--yes", "--accounts", "keep", code=3)
    assert whose(fresh) == before()
    assert fresh.whose("/srv/of www") == (WWW, WWW, "0644")
    numbers = dict(line.split(":")[::2][:2] for line in fresh.at("/etc/passwd").read_text().splitlines())
    assert (numbers["www"], numbers["db"], numbers["mail"]) == (str(WWW), str(DB), str(MAIL))


def test_account_files_that_are_kept_move_nobody(fresh: Machine) -> None:
    with fresh.at("/pacha.conf").open("a") as stream:
        stream.write("pacha.rebuild.keep = /etc/passwd /etc/group\n")
    done = fresh.pacha("rebuild", "bar", "--yes")
    assert "this machine's accounts" in done.out
    assert whose(fresh) == before()
    assert fresh.whose("/srv/of www") == (WWW, WWW, "0644")


def test_left_as_they_are_they_are_named(fresh: Machine) -> None:
    done = fresh.pacha("rebuild", "bar", "--yes", "--accounts", "leave", code=3)
    assert whose(fresh) == before()
    for path in ("/opt/tool", "/opt/suid", "/opt/capable", "/opt/symlink", "/var/db", "/var/db/new\\x0aline"):
        assert [line for line in done.lines if line.startswith(f"pacha: {path}: ")] != [], path
    assert not [line for line in done.lines if "root's" in line]


def test_a_target_that_is_no_root_moves_nobody(fresh: Machine) -> None:
    fresh.pacha("rebuild", "bar", "--yes", "--target", "/mnt")
    assert whose(fresh) == before()
    assert fresh.whose("/mnt/srv/of www") == (DB, DB, "0644"), "by the account files that it gets"
