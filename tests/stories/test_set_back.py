"""A master that has another history than it should: a rebuild says so before the first change, and ends with 3."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.forced import Door
from tests.support.keyboard import at_terminal
from tests.support.sshd import Account, Sshd
from tests.support.stage import Done, Host, Stage, alone, copy, on_stage

pytestmark = pytest.mark.usefixtures("as_root")
SET_BACK = "which the last push left, is not in its db: that was set back, or is damaged"
UNTOLD = "whether its db was set back cannot be told"
OLDER = ("beat", "create", "examine", "hooks", "make", "new", "probe", "repository")


@pytest.fixture(params=["folder", "account", "forced"])
def host(request: pytest.FixtureRequest, tmp_path: Path, sshd: Sshd, bar_user: Account, door: Door) -> Iterator[Host]:
    """A host with each kind of master, which has not pushed yet."""
    if request.param == "folder":
        yield alone(tmp_path)
        return
    with on_stage(sshd, bar_user) as stage:
        yield stage.host("bar") if request.param == "account" else door.host(stage, "bar")


@pytest.fixture
def foo(host: Host, tmp_path: Path) -> Path:
    """A tree that was pushed twice; ``host.folder / "monday"`` is the master's folder after the first push."""
    top = tmp_path / "opt" / "foo"
    top.mkdir(parents=True)
    (top / "one").write_text("monday\n")
    host.watch(top)
    host.push()
    copy(host.repository("db").parent, host.folder / "monday")
    (top / "one").write_text("tuesday\n")
    host.push()
    return top


def put(host: Host, name: str, source: Path) -> None:
    """Give ``name`` on the master the content that a copy of its folder has, and the owner that it had."""
    place = host.repository(name)
    owner = place.stat()
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    copy(source / name, place)
    for path in (place, *place.rglob("*")):
        os.lchown(path, owner.st_uid, owner.st_gid)


def set_back(host: Host, *names: str) -> None:
    for name in names:
        put(host, name, host.folder / "monday")


def agreed(done: Done) -> None:
    """Nothing is said of another snapshot."""
    assert "what is rebuilt may not be the newest" not in done.out and "last-push" not in done.out + done.err


def differences(host: Host, code: int = 3) -> list[dict[str, object]]:
    planned = json.loads(host.pacha("rebuild", "bar", "--dry-run", "--json").must(code).out)
    found: list[dict[str, object]] = planned["differences"]
    return found


def test_where_all_agrees_nothing_is_said(host: Host, foo: Path) -> None:
    agreed(host.rebuild())
    host.forget()
    agreed(host.rebuild())
    (foo / "one").write_text("wednesday\n")
    host.push()
    put(host, "last-push", host.folder / "monday")  # a push that has sent db, and not left its heartbeat yet
    host.forget()
    agreed(host.pacha("rebuild", "bar", "--dry-run").must())
    assert differences(host, 0) == []


def test_a_db_that_is_older_than_last_push_is_told_before_anything_changes(host: Host, foo: Path) -> None:
    set_back(host, "db", "foo")
    host.forget()
    planned = host.pacha("rebuild", "bar", "--dry-run").must(3)
    assert SET_BACK in planned.err and planned.out.index(SET_BACK) < planned.out.index("Snapshot ")
    (told,) = differences(host)
    assert told["about"] == "last-push" and told["known"] is True

    unasked = host.pacha("rebuild", "bar", stdin=b"\n\n").must(1)
    assert SET_BACK in unasked.out and not (host.state / "pacha.db").exists()
    assert (foo / "one").read_text() == "tuesday\n"

    shutil.rmtree(foo)  # nothing would be replaced: it is asked about all the same
    code, shown = at_terminal(host, "rebuild", "bar", keys=[b"\n", b"\x03"])
    assert code == 130 and "may not be the newest snapshot" in shown and not foo.exists()

    done = host.rebuild(code=3)
    assert SET_BACK in done.err and (foo / "one").read_text() == "monday\n"
    agreed(host.rebuild("--at", str(host.memory["tip"])))


def test_a_master_that_was_wholly_set_back_is_told_on_the_host_itself(host: Host, foo: Path) -> None:
    tip = str(host.memory["tip"])[:12]
    set_back(host, "db", "foo", "last-push")
    planned = host.pacha("rebuild", "bar", "--dry-run").must(3)
    assert f"it was set back: this machine left {tip} of " in planned.out
    assert [told["about"] for told in differences(host)] == ["this-machine"]
    assert "it was set back" in host.rebuild("--target", host.folder / "look", code=3).out
    assert (foo / "one").read_text() == "tuesday\n"
    assert "it was set back" in host.rebuild(code=3).err and (foo / "one").read_text() == "monday\n"


def test_a_snapshot_that_was_never_sent_is_told(host: Host, foo: Path) -> None:
    folder = host.repository("db").parent
    folder.rename(folder.with_name("away"))
    folder.write_text("in the way")
    (foo / "one").write_text("wednesday\n")
    assert host.pacha("push").code not in (0, 3)
    folder.unlink()
    folder.with_name("away").rename(folder)
    assert "it does not have this machine's newest snapshot, " in host.pacha("rebuild", "bar", "--dry-run").must(3).out


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), f"it has no last-push: {UNTOLD}"),
        (lambda path: path.write_text("no json\n"), f"its last-push makes no sense: {UNTOLD}"),
        (lambda path: path.write_bytes(b"\xff" * 9000), UNTOLD),
        (lambda path: (path.unlink(), path.mkdir()), f"): {UNTOLD}"),
    ],
    ids=["absent", "senseless", "endless", "unreadable"],
)
def test_what_cannot_be_compared_is_told_as_that(
    host: Host, foo: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(host.repository("last-push"))
    host.forget()
    done = host.pacha("rebuild", "bar", "--dry-run").must(3)
    assert words in done.out and "set back, or is damaged" not in done.out
    (told,) = differences(host)
    assert told["about"] == "last-push" and told["known"] is False


def test_restore_db_says_the_same(host: Host, foo: Path) -> None:
    host.forget()
    set_back(host, "db", "foo")
    done = host.pacha("restore-db", "bar").must(3)
    assert SET_BACK in done.err and host.memory["tip"]
    host.forget()
    host.repository("last-push").unlink()
    assert f"it has no last-push: {UNTOLD}" in host.pacha("restore-db", "bar").must(3).err


def test_a_master_whose_pacha_does_not_tell_is_not_compared(stage: Stage, door: Door, tmp_path: Path) -> None:
    host = door.host(stage, "bar")
    (tmp_path / "foo").mkdir()
    host.watch(tmp_path / "foo")
    host.push()
    host.repository("last-push").unlink()
    door.enrol(host, program=door.other(1, OLDER))
    host.forget()
    agreed(host.rebuild())
