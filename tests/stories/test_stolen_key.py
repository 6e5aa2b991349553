"""A thief with a host's key, or a master with a forged snapshot: what is watched and sent stays this machine's word."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.changegroups import NOBODYS, add_unseen, changegroup, changeset
from tests.support.forced import Door
from tests.support.forger import forge, retire_one_and_leave_out_the_rest, watched
from tests.support.mercurial import run_hg
from tests.support.rebuilding import check_rebuild
from tests.support.stage import Host, Stage, said

_SECRET = "the database's password\n"


def make_tree(stage: Stage, name: str, text: str = "one\n") -> Path:
    """A folder with a file."""
    top = stage.folder / name
    top.mkdir(parents=True)
    (top / "one").write_text(text)
    return top


@pytest.fixture
def foo(stage: Stage) -> Path:
    """What the host watches."""
    return make_tree(stage, "opt/foo")


def pushed(stage: Stage, door: Door, foo: Path, *options: str) -> Host:
    """The victim, behind a forced command, after its first push."""
    host = door.host(stage, "bar", *options)
    host.watch(foo)
    host.push()
    return host


def thief_of(victim: Host, name: str = "thief") -> Host:
    """Another machine with the victim's key, history and machine id."""
    thief = victim.stage.host("bar", machine=name, added=False)
    thief.configure(ssh_key=victim.settings["pacha.ssh.key"])
    thief.pacha("restore-db", "bar").must()
    with closing(sqlite3.connect(thief.state / "pacha.db")) as database:
        [(machine,)] = database.execute("SELECT value FROM meta WHERE key = 'machine'").fetchall()
    (thief.state / "memory.json").write_text(json.dumps({**thief.memory, "machine": machine}))
    assert machine == victim.memory["machine"]
    return thief


def test_a_thief_of_the_key_adds_nothing_to_what_is_watched(stage: Stage, door: Door, foo: Path) -> None:
    victim = pushed(stage, door, foo)
    before = watched(victim)
    thief, wanted = thief_of(victim), make_tree(stage, "srv/secret", "bait\n")
    thief.watch(wanted)
    thief.push("--take-over")
    (wanted / "one").write_text(_SECRET)  # as it is on the victim
    (foo / "one").write_text("changed\n")
    done = victim.pacha("-q", "push").must(3)
    assert watched(victim) == before
    for name in victim.on_master():
        assert _SECRET.strip() not in run_hg("-R", str(victim.repository(name)), "log", "-p"), name
    assert "does not remember making" in done.err and f"pacha: {wanted}: is watched in" in done.err
    shown = victim.pacha("status").must(3)
    assert str(wanted) in shown.out and "does not remember making" in shown.out
    assert "does not remember making" in victim.pacha("-q", "doctor").must(3).out
    check_rebuild(victim, foo)
    victim.pacha("-q", "push").must()
    victim.pacha("status").must()


@pytest.mark.parametrize("options", by_turns([(), ("--push-only",)], 2))
def test_a_forged_snapshot_stops_no_backup(stage: Stage, door: Door, foo: Path, options: tuple[str, ...]) -> None:
    bar = make_tree(stage, "opt/bar")
    victim = door.host(stage, "bar", *options)
    victim.watch(foo, bar)
    victim.push()
    before = watched(victim)
    forged = forge(victim, retire_one_and_leave_out_the_rest(foo, bar))
    (foo / "one").write_text("changed\n")
    if options:  # it may not even be read: loud, until somebody has looked
        for _ in range(2):
            assert forged[:12] in victim.pacha("-q", "push").must(11).err
        victim.pacha("status").must(3)
        return
    done = victim.pacha("-q", "push").must(3)
    assert watched(victim) == before
    assert f"pacha: {bar}: is watched here" in done.err and "here: none; there: *" in done.err
    assert forged[:12] in done.err and forged[:12] in victim.pacha("status").must(3).out
    victim.pacha("-q", "doctor").must(3)
    check_rebuild(victim, foo)
    check_rebuild(victim, bar)


def test_a_forged_snapshot_does_not_choose_for_which_time_it_is(stage: Stage, door: Door, foo: Path) -> None:
    victim = pushed(stage, door, foo)
    forged = forge(victim, retire_one_and_leave_out_the_rest(foo, foo), date="2001-01-01 00:00")
    victim.push(code=3)
    replacement = stage.host("bar", machine="replacement", added=False)
    below = replacement.folder / "below"
    refused = replacement.pacha("rebuild", "bar", "--yes", "--at", "2010-01-01", "--target", below).must(2)
    said(refused, "times of the snapshots are not in order", forged[:12])
    replacement.pacha("rebuild", "bar", "--yes", "--at", "0 seconds ago", "--target", below).must()
    assert (below / foo.relative_to("/") / "one").read_text() == "one\n"


def test_a_rebuild_on_the_host_itself_names_what_the_forged_snapshot_decides(
    stage: Stage, door: Door, foo: Path
) -> None:
    victim = pushed(stage, door, foo)
    forged = forge(victim, retire_one_and_leave_out_the_rest(foo, make_tree(stage, "opt/bar")))
    planned = victim.pacha("-q", "rebuild", "bar", "--dry-run").must(3)
    assert forged[:12] in planned.err and "does not remember making" in planned.err
    assert f"pacha: {foo}: what is left out differs" in planned.err and "counts after the rebuild" in planned.err
    assert (foo / "one").read_text() == "one\n"


@pytest.mark.parametrize("is_plain", [False, True], ids=["forced", "plain"])
@pytest.mark.parametrize("name", by_turns(["db", "foo"], 2))
def test_a_head_that_the_master_cannot_give_stops_no_push(
    stage: Stage, door: Door, foo: Path, name: str, is_plain: bool
) -> None:
    """Its manifest is missing: whoever asks for it ends the conversation."""
    victim = stage.host("bar") if is_plain else door.host(stage, "bar")
    victim.watch(foo)
    victim.push()
    repository = victim.repository(name)
    head = bytes.fromhex(run_hg("-R", str(repository), "log", "-r", "tip", "--template", "{node}"))
    added, revision = changeset(head, NOBODYS)
    add_unseen(repository, changegroup(revision))
    for path in (repository, *repository.rglob("*")):
        os.chown(path, stage.account.uid, stage.account.gid)
    (foo / "one").write_text("changed\n")
    done = victim.pacha("-q", "push").must(3)
    assert f"its revision {added.hex()[:12]} on" in done.err and "cannot be read" in done.err
    replacement = stage.host("bar", machine="replacement", added=False)
    replacement.rebuild("--target", replacement.folder / "below")
    assert (replacement.folder / "below" / foo.relative_to("/") / "one").read_text() == "changed\n"
