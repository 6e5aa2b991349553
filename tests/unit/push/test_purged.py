from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pacha.push import push
from pacha.push.push import Pushed
from pacha.rebuild import rebuild
from pacha.server import purge
from pacha.server.purge_choice import PurgeOrder
from pacha.store import hg, purges
from tests.support.canaries import found
from tests.support.standalone import Standalone, standalone_host

__all__ = ["standalone_host"]


def came_and_went(bar: Standalone) -> None:
    for text in ("SECRET\n", "none\n"):
        (bar.tree / "one").write_text(text)
        bar.push()


def erase(bar: Standalone, **limits: bool) -> None:
    hosts, order = os.fsencode(bar.top / "hosts"), PurgeOrder(paths=(bar.path + b"/one",), **limits)
    purge.carry_out(hosts, "bar", order, purge.plan(hosts, "bar", order), limits="", why="")


def pushed(bar: Standalone) -> Pushed:
    return push.push(bar.context())


def told(done: Pushed) -> list[str]:
    return [concern.reason for concern in done.concerns]


def here(bar: Standalone) -> set[bytes]:
    return set(found([b"SECRET"], bar.top / "state"))


@pytest.mark.slow
def test_the_host_forgets_and_says_so_once(bar: Standalone) -> None:
    came_and_went(bar)
    erase(bar)
    assert here(bar)
    [reason] = told(pushed(bar))
    assert reason.startswith("content purged on ") and not here(bar)
    assert told(pushed(bar)) == []


@pytest.mark.slow
def test_a_rule_by_age_is_something_to_look_at_the_first_time_alone(bar: Standalone) -> None:
    hosts, order = os.fsencode(bar.top / "hosts"), PurgeOrder(older_than=0.01)
    for number in range(3):
        came_and_went(bar) if not number else (bar.tree / "one").write_text(f"SECRET {number}\n")
        done = pushed(bar)
        time.sleep(0.02)
        assert purge.carry_out(hosts, "bar", order, limits="--older-than 1d", why="").erased == 1
        done = pushed(bar)
        [text] = done.notices if number else told(done)
        assert text.startswith("content purged on ") and "(--older-than 1d)" in text
        assert bool(told(done)) is not bool(number)
    assert here(bar) == {b"SECRET"} and not found([b"SECRET 1"], bar.top / "state")
    [recorded] = purges.read(bar.context().state.purged)
    assert len(recorded.revisions["foo"][b"one"]) == 3


def test_a_master_with_a_rule_of_its_own_is_not_asked_for_another_ones(bar: Standalone) -> None:
    came_and_went(bar)
    hosts = os.fsencode(bar.top / "hosts")
    purge.carry_out(hosts, "bar", PurgeOrder(older_than=0.01), limits="--older-than 1d", why="")
    pushed(bar)
    record = bar.master / ".purged"
    record.unlink()
    [reason] = told(pushed(bar))
    assert "run there: pacha purge bar --older-than 1d" in reason
    purge.carry_out(hosts, "bar", PurgeOrder(older_than=9e9), limits="--older-than 100y", why="")
    assert told(pushed(bar)) == []


def lie(bar: Standalone, *lines: dict[str, object]) -> None:
    """A master's record of purges that are its own invention."""
    said = {"at": "2026-01-01T00:00:00Z", "by": "liar", "paths": ["/x"], "revisions": {}}
    (bar.master / ".purged").write_text("".join(json.dumps({**said, **line}) + "\n" for line in lines))


@pytest.mark.slow
def test_what_a_rebuild_put_aside_is_named_once(bar: Standalone) -> None:
    came_and_went(bar)
    (bar.tree / "one").write_text("SECRET, here alone\n")
    rebuild.rebuild(bar.context(), "bar")
    [kept] = bar.tree.parent.glob("**/.pacha-kept-*")
    (bar.top / "state" / "from-foo").mkdir()
    erase(bar)
    concerns = pushed(bar).concerns
    named = {concern.path: concern.reason for concern in concerns[1:]}
    assert set(named) == {os.fsencode(kept), os.fsencode(bar.top / "state/from-foo")}
    assert "'pacha undo' or remove it" in named[os.fsencode(kept)] and kept.is_dir()
    assert told(pushed(bar)) == []


def forge(bar: Standalone, names: list[bytes]) -> None:
    """A master's record that names every revision of ``names``."""
    repository = hg.Repository.open(str(bar.master / "foo"))
    revisions: dict[str, list[str]] = {}
    for revision in repository.file_revisions(names.__contains__):
        revisions.setdefault(os.fsdecode(revision.name), []).append(revision.node)
    lie(bar, {"revisions": {"foo": revisions}})


def test_a_lying_master_reaches_nothing_but_the_content_of_watched_paths(bar: Standalone) -> None:
    came_and_went(bar)
    database, elsewhere = bar.top / "state/repos/db", bar.top / "elsewhere"
    snapshots = {
        revision.name.decode(): [revision.node]
        for revision in hg.Repository.open(str(database)).file_revisions(lambda _: True)
    }
    hg.Repository.open(str(elsewhere), create=True)
    (bar.top / "plain").mkdir()
    before = found([b"SQLite format"], database)
    for name in ("db", "../../plain", "../../elsewhere", str(bar.top / "plain")):
        lie(bar, {"revisions": {name: snapshots}})
        assert any("cannot be read" in reason for reason in told(pushed(bar))), name
    assert found([b"SQLite format"], database) == before
    assert list((bar.top / "plain").iterdir()) == [] and not (bar.top / "state/purged").exists()


@pytest.mark.slow
def test_a_lying_master_does_not_fill_the_record_here(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    came_and_went(bar)
    monkeypatch.setattr(purges, "MOST_BYTES", 100_000)
    for number in range(4):
        lie(bar, {"by": f"liar {number}", "paths": ["/" + "x" * 40_000]})
        (bar.tree / "one").write_text(f"{number}\n")
        assert pushed(bar).sent
    assert (bar.top / "state/purged").stat().st_size < 100_000
    assert "too much for the record" in told(pushed(bar))[-1]


@pytest.mark.slow
def test_many_purges_of_a_lying_master_take_no_time(bar: Standalone) -> None:
    came_and_went(bar)
    for by in ("liar", "other liar"):
        lie(bar, *({"by": by, "revisions": {"foo": {"x": [f"{number:040x}"]}}} for number in range(4000)))
        began = time.process_time()
        pushed(bar)
        assert time.process_time() - began < 4


def test_a_lying_master_takes_nothing_that_the_newest_snapshot_has(bar: Standalone) -> None:
    (bar.tree / "two").write_text("two\n")
    (bar.tree / "three").write_text("three\n")
    tip = bar.push().tip
    forge(bar, [b"one", b"two", b"three"])
    (bar.tree / "two").unlink()
    (bar.tree / "three").write_text("changed\n")
    reasons = told(pushed(bar))
    assert any("forgotten here once a newer snapshot lacks it" in reason for reason in reasons)
    assert {path.name for path in bar.tree.iterdir()} == {"one", "three"}
    repository = hg.Repository.open(str(bar.top / "state/repos/foo"))
    [first] = list(repository.revisions())[-1:]
    assert repository.reader(first)(b"two") == b"two\n" and repository.reader(first)(b"three") == b"three\n"
    newest = repository.reader(next(iter(repository.revisions())))
    assert newest(b"one") == b"one\n" and newest(b"three") == b"changed\n" and tip


def test_what_is_on_the_disk_as_it_was_is_recorded_anew(bar: Standalone) -> None:
    (bar.tree / "one").write_text("SECRET\n")
    bar.push()
    erase(bar, also_newest=True)
    assert not found([b"SECRET"], bar.top / "hosts")
    pushed(bar)
    repository = hg.Repository.open(str(bar.master / "foo"))
    assert repository.reader(next(iter(repository.revisions())))(b"one") == b"SECRET\n"
    assert told(pushed(bar)) == [] and bar.context().state.read().reread == ()


def test_a_record_that_cannot_be_read_stops_no_push(bar: Standalone) -> None:
    came_and_went(bar)
    (bar.master / ".purged").write_text("nonsense\n")
    (bar.tree / "one").write_text("more\n")
    done = pushed(bar)
    assert done.sent and "cannot be read" in told(done)[0] and here(bar)


def test_a_master_that_lost_its_record_is_named_with_the_command(bar: Standalone) -> None:
    came_and_went(bar)
    erase(bar)
    pushed(bar)
    Path(bar.master, ".purged").unlink()
    for _ in range(2):
        [reason] = told(pushed(bar))
        assert f"run there: pacha purge bar {bar.tree}/one" in reason


@pytest.mark.slow
def test_no_master_gets_the_differences_from_what_it_may_have_purged(bar: Standalone) -> None:
    """It has no content that they could be added to, and its record does not say so."""
    lines = [f"{number * 7919 % 10007}\n" for number in range(2000)]
    (bar.tree / "one").write_text("".join(["SECRET\n", *lines]))
    bar.push()
    erase(bar, also_newest=True)
    (bar.master / ".purged").write_text("nonsense\n")
    (bar.tree / "one").write_text("".join(["none\n", *lines]))
    assert pushed(bar).failures == ()
    repository = hg.Repository.open(str(bar.master / "foo"))
    assert repository.reader(next(iter(repository.revisions())))(b"one").startswith(b"none\n")
