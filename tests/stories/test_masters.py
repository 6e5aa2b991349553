"""Several masters: each gets everything, one that was away is caught up, a rebuild takes the one that has it all."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.forger import forge, retire_one_and_leave_out_the_rest, watched
from tests.support.mercurial import run_hg
from tests.support.sshd import Sshd
from tests.support.stage import Done, Host, Stage, changed, copy, picture, said
from tests.support.two_masters import two_masters, up

pytestmark = pytest.mark.slow


@pytest.fixture
def bar(stage: Stage, second: Sshd, tree: Path) -> Host:
    """A host with two masters, ``m1`` and ``m2``, which has pushed to neither."""
    host = two_masters(stage, second)
    host.watch(tree)
    return host


@pytest.fixture
def tree(stage: Stage) -> Path:
    top = stage.folder / "opt" / "foo"
    top.mkdir(parents=True)
    (top / "one").write_text("one\n")
    (top / "two").write_text("two\n")
    return top


def change(tree: Path, text: str) -> None:
    (tree / "one").write_text(text)
    (tree / f"new {text}").write_text(text)


def history(host: Host, hosts: str, name: str = "db") -> list[str]:
    """The snapshots that a master has, newest first."""
    folder = host.stage.folder / hosts / host.name / name
    return run_hg("-R", str(folder), "log", "--template", "{node}\n").split()


def check_both(host: Host, tree: Path, second: Sshd) -> None:
    """Each of them gives the tree as it is, from whole repositories."""
    for name, hosts in (("m1", "hosts"), ("m2", "hosts2")):
        checker = host.stage.host(host.name, machine="checker", added=False)
        up(checker, second)
        checker.rebuild("--from", name, "--target", checker.folder / "out")
        assert changed(picture(tree), picture(Path(f"{checker.folder}/out{tree}"))) == []
        shutil.rmtree(checker.folder)
        for repository in ("db", "foo"):
            run_hg("-R", str(host.stage.folder / hosts / host.name / repository), "verify")


def test_each_master_gets_everything(bar: Host, tree: Path, second: Sshd) -> None:
    done = bar.push()
    assert " and " in done.out and " have it all" in done.out
    change(tree, "more")
    bar.push()
    assert history(bar, "hosts") == history(bar, "hosts2") and len(history(bar, "hosts")) == 2
    assert "nothing changed" in bar.push().out
    check_both(bar, tree, second)


def test_the_doctor_has_the_checks_of_each_under_its_name(bar: Host, second: Sshd) -> None:
    """One that is away of several is something to look at; both are all there is."""
    bar.push()
    for away, code in (((), 3), (("m2",), 3), (("m1", "m2"), 11)):
        up(bar, second, m1="m1" not in away, m2="m2" not in away)
        told = bar.pacha("doctor").must(code).out
        _, first, last = re.split(r"^On the master m\d:$", told, flags=re.MULTILINE)
        for name, part in (("m1", first), ("m2", last)):
            assert ("BAD   login" in part) is (name in away) and ("clock" in part) is (name not in away)


def test_where_all_are_away_each_is_named_once(bar: Host, second: Sshd) -> None:
    up(bar, second, m1=False, m2=False)
    done = bar.push(code=11)
    said(done, "m1 was not brought up to date", "m2 was not brought up to date")
    assert done.err.count("pacha: ") == done.err.count("refuses connections") == 2


def test_one_that_is_away_is_named_and_caught_up(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    for away in ({"m1": False}, {"m2": False}):
        up(bar, second, **away)
        name = next(iter(away))
        for number in range(2):
            change(tree, f"without {name} {number}")
            said(bar.push(code=3), f"{name} was not brought up to date", "refuses connections")
        shown = bar.pacha("status").must(3)
        assert "2 snapshots not sent yet" in shown.out and "refuses connections" in shown.out
        assert bar.pacha("-q", "push", "--due").code == 3, "it is tried again"
        up(bar, second)
        bar.push()
        bar.pacha("status").must()
        assert history(bar, "hosts") == history(bar, "hosts2")
    check_both(bar, tree, second)


def test_all_that_are_away_are_the_failures_own_code(bar: Host, tree: Path, second: Sshd) -> None:
    up(bar, second, m1=False, m2=False)
    done = bar.push(code=11)
    assert "m1 was not" in done.err and "m2 was not" in done.err
    up(bar, second)
    bar.push()
    check_both(bar, tree, second)


def test_one_whose_disk_is_closed_stops_not_the_other(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    store = bar.repository("foo") / ".hg" / "store"
    store.chmod(0o500)
    change(tree, "more")
    said(bar.push(code=3), "m1 was not", "Permission denied")
    assert len(history(bar, "hosts2")) == 2
    store.chmod(0o700)
    bar.push()
    check_both(bar, tree, second)


def test_a_master_that_comes_later_gets_the_whole_history(bar: Host, tree: Path, second: Sshd) -> None:
    bar.configure(host="m1")
    for text in ("monday", "tuesday"):
        change(tree, text)
        bar.push()
    bar.configure(host="m1, m2")
    bar.push()
    assert history(bar, "hosts") == history(bar, "hosts2") and len(history(bar, "hosts2")) == 2
    check_both(bar, tree, second)


def test_a_rebuild_takes_the_one_that_has_it_all(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    up(bar, second, m1=False)
    change(tree, "only on m2")
    bar.push(code=3)
    before = picture(tree)
    up(bar, second)
    shutil.rmtree(tree)
    bar.forget()
    done = bar.rebuild(code=3)
    assert "SSH Connection: " in done.out and "m1: its newest snapshot is " in done.out and "it is behind" in done.err
    assert changed(before, picture(tree)) == []
    bar.push()
    check_both(bar, tree, second)


def test_a_rebuild_with_a_master_away_says_so(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    before = picture(tree)
    up(bar, second, m1=False)
    shutil.rmtree(tree)
    done = bar.rebuild(code=3)
    assert "m1 is not asked" in done.err and "m1: it could not be asked whether it has a newer snapshot: " in done.out
    assert changed(before, picture(tree)) == []
    up(bar, second, m1=False, m2=False)
    bar.rebuild(code=11)


def test_a_rebuild_with_a_master_that_is_closed_to_it_asks_the_other(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    before = picture(tree)
    folder = bar.stage.folder / "hosts" / "bar"
    os.chown(folder, 0, 0)  # as 'pacha add-host bar' alone leaves a new one
    shutil.rmtree(tree)
    assert "m1 is not asked" in bar.rebuild(code=3).err
    assert changed(before, picture(tree)) == []


def test_a_rebuild_names_a_master_that_was_set_back_or_emptied(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    folder = bar.stage.folder / "hosts" / "bar"
    monday = copy(folder, bar.stage.folder / "monday")
    change(tree, "tuesday")
    bar.push()
    before = picture(tree)
    shutil.rmtree(folder)
    copy(monday, folder)
    bar.forget()
    shutil.rmtree(tree)
    planned = json.loads(bar.pacha("rebuild", "bar", "--dry-run", "--json").must(3).out)["differences"]
    assert [(one["about"], one["master"], one["known"]) for one in planned] == [("other-master", "m1", True)]
    assert "it is behind" in bar.pacha("restore-db", "bar").must(3).err
    assert bar.memory["tip"] == history(bar, "hosts2")[0]
    bar.forget()
    assert "it is behind" in bar.rebuild(code=3).err and changed(before, picture(tree)) == []
    shutil.rmtree(folder / "db")
    assert "m1: it has no snapshot of 'bar'" in bar.rebuild(code=3).out
    bar.rebuild("--from", "m2")


def test_where_one_is_damaged_the_other_is_named(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    before = picture(tree)
    for path in (bar.repository("foo") / ".hg" / "store" / "data").rglob("*.i"):
        path.write_bytes(path.read_bytes()[:-3] + b"XXX")
    said(bar.rebuild(code=13), "damaged", "--from m2")
    shutil.rmtree(tree)
    bar.rebuild("--from", "m2")
    assert changed(before, picture(tree)) == []


def go_two_ways(bar: Host, tree: Path, second: Sshd) -> Done:
    """A machine that was set back while one master was away, and then the other."""
    bar.push()
    last_week = copy(bar.state, bar.folder / "last week")
    up(bar, second, m2=False)
    change(tree, "only on m1")
    bar.push(code=3)
    bar.forget()
    last_week.rename(bar.state)
    up(bar, second, m1=False)
    (tree / "new only on m1").unlink()
    change(tree, "only on m2")
    done = bar.push(code=3)
    assert history(bar, "hosts")[0] != history(bar, "hosts2")[0]
    return done


def test_masters_that_went_two_ways_are_brought_together(bar: Host, tree: Path, second: Sshd) -> None:
    go_two_ways(bar, tree, second)
    ways = {history(bar, "hosts")[0], history(bar, "hosts2")[0]}
    up(bar, second)
    change(tree, "together")
    assert "does not remember making" in bar.push(code=3).err, "the state that made one of them was set back"
    assert history(bar, "hosts")[0] == history(bar, "hosts2")[0]
    assert ways <= set(history(bar, "hosts")) | set(history(bar, "hosts2")), "nothing is lost"
    check_both(bar, tree, second)
    change(tree, "and on")
    bar.push()
    assert history(bar, "hosts")[0] == history(bar, "hosts2")[0]
    check_both(bar, tree, second)
    bar.rebuild("--target", bar.folder / "out")


def test_a_rebuild_from_masters_that_went_two_ways_asks(bar: Host, tree: Path, second: Sshd) -> None:
    go_two_ways(bar, tree, second)
    up(bar, second)
    checker = bar.stage.host("bar", machine="checker", added=False)
    up(checker, second)
    said(checker.rebuild(code=2), "m1 has", "m2 has", "--from m1")
    out = checker.folder / "out"
    stopped = checker.pacha("rebuild", "bar", "--target", out, stdin=b"1\n\n").must(1)
    assert "1  m1: snapshot" in stopped.out and "is not in what is rebuilt" in stopped.out and not out.exists()
    checker.rebuild("--from", "m1", "--target", out)
    assert (Path(f"{out}{tree}") / "new only on m1").exists()
    checker.pacha("rebuild", "bar", "--target", out, stdin=b"3\n\n").must(2)
    said(checker.rebuild("--from", "m3", code=2), "not one of the masters")


def test_another_machine_on_one_of_them_is_refused_on_both(bar: Host, tree: Path, second: Sshd) -> None:
    bar.push()
    other = bar.stage.host("bar", machine="other", added=False)
    up(other, second, m1=False)
    other.watch(tree)
    other.push("--take-over", code=3)
    change(tree, "by the first")
    before = history(bar, "hosts")
    said(bar.push(code=1), "Another machine pushes as 'bar'", str(other.memory["machine"]))
    assert history(bar, "hosts") == before
    bar.push("--take-over")
    assert history(bar, "hosts")[0] == history(bar, "hosts2")[0]
    up(other, second)
    said(other.push(code=1), str(bar.memory["machine"]))
    check_both(bar, tree, second)


@pytest.mark.parametrize("hosts", by_turns(["hosts", "hosts2"], 2))
def test_a_forged_snapshot_on_one_of_them_decides_nothing(bar: Host, tree: Path, second: Sshd, hosts: str) -> None:
    more = bar.stage.folder / "opt" / "more"
    more.mkdir()
    (more / "one").write_text("one\n")
    bar.watch(more)
    bar.push()
    before = watched(bar)
    forged = forge(bar, retire_one_and_leave_out_the_rest(tree, more), bar.stage.folder / hosts)
    assert forged[:12] in bar.rebuild("--dry-run", code=3).err, "the other master does not have it"
    change(tree, "after it")
    told = bar.pacha("-q", "push").must(3).err
    assert forged[:12] in told and f"pacha: {more}: is watched here" in told and "here: none; there: *" in told
    assert watched(bar) == before
    assert history(bar, "hosts")[0] == history(bar, "hosts2")[0]
    check_both(bar, tree, second)
    bar.pacha("-q", "push").must()


def test_a_forged_snapshot_after_restore_db_on_a_new_machine(bar: Host, tree: Path, second: Sshd) -> None:
    """A person asked for the history of a master here; who adds to it later decides nothing."""
    bar.push()
    bar.forget()
    bar.pacha("restore-db", "bar").must()
    before = watched(bar)
    bar.push()
    forged = forge(bar, lambda database: database.execute("UPDATE watched SET exclude = '[\"*\"]'"))
    assert forged[:12] in bar.pacha("-q", "push").must(3).err
    assert watched(bar) == before
    check_both(bar, tree, second)
