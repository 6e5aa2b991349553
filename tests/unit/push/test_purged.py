from __future__ import annotations

import json
import os
from pathlib import Path

from pacha.push import push
from pacha.push.push import Pushed
from pacha.server import purge
from pacha.server.purge_choice import PurgeOrder
from pacha.store import hg
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


def test_the_host_forgets_and_says_so_once(bar: Standalone) -> None:
    came_and_went(bar)
    erase(bar)
    assert here(bar)
    [reason] = told(pushed(bar))
    assert reason.startswith("content purged on ") and not here(bar)
    assert told(pushed(bar)) == []


def forge(bar: Standalone, names: list[bytes]) -> None:
    """A master's record that names every revision of ``names``."""
    repository = hg.Repository.open(str(bar.master / "foo"))
    revisions: dict[str, list[str]] = {}
    for revision in repository.file_revisions(names.__contains__):
        revisions.setdefault(os.fsdecode(revision.name), []).append(revision.node)
    line = {"at": "2026-01-01T00:00:00Z", "by": "liar", "paths": ["/x"], "revisions": {"foo": revisions}}
    (bar.master / ".purged").write_text(json.dumps(line) + "\n")


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
