"""The report of a rebuild: ten lines at most for the screen, everything in the state folder, nothing to obey."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import Concern
from pacha.rebuild import report
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.result import Rebuilt
from pacha.restore.journal import Journal
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Action
from pacha.store.snapshot import Snapshot
from tests.support.proposing import ODD, SNAPSHOT, TIP, entry, proposal, rebuilt, step

EVERY = tuple(step(action, b"/w/%s" % action.value.encode()) for action in Action)


@pytest.fixture(name="journal")
def begun_journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.begin(os.fsencode(tmp_path))
    yield journal
    journal.close()


def everything() -> Rebuilt:
    outcome = Outcome(
        dict.fromkeys(Action, 2), (Concern(ODD, "not kept"), Concern(b"/w/f", "x")), (ODD,), (b"/w/corrected",)
    )
    mapped = step(Action.SAME, b"/w/z", wanted=entry(b"/w/z", uid=33, owner=b"www\x1b"), uid=133)
    ran = tuple(HookRun(f"pacha_post/{number}", "it failed" * number, b"out\x1b[2J\xff\n") for number in range(3))
    proposed = proposal(*EVERY, mapped, delete=True, target=b"/t\xff", parts=tuple(b"/w/%d" % n for n in range(9)))
    return rebuilt(proposed, outcome, ran=ran, adopted=True, report="/r", seconds=1.5)


def test_the_summary_of_anything_is_at_most_ten_lines_to_print() -> None:
    for done in (everything(), rebuilt(proposal())):
        lines = report.summary(done)
        assert 0 < len(lines) <= 10 and all(line.isprintable() for line in lines)


def test_what_did_not_happen_is_not_in_the_summary() -> None:
    assert len(report.summary(rebuilt(proposal()))) == 1
    counted = "\n".join(report.summary(rebuilt(proposal(*EVERY[:1]))))
    assert "1 " in counted and "Owed" not in counted and "pacha undo" not in counted


@pytest.mark.parametrize("action", [Action.REPLACE, Action.METADATA])
def test_undo_is_offered_where_there_is_something_to_put_back(action: Action) -> None:
    assert "pacha undo" in "\n".join(report.summary(rebuilt(proposal(step(action)))))


def test_how_it_stands_counts_what_is_owed() -> None:
    owed = report.how_it_stands(rebuilt(proposal(), Outcome(unrestored=(b"/a", b"/b"))))
    assert "2" in owed and owed != report.how_it_stands(rebuilt(proposal()))
    assert "'bar'" in report.how_it_stands(rebuilt(proposal(), adopted=True))


def test_both_files_are_beside_the_journal_and_private(journal: Journal) -> None:
    before = os.umask(0)
    try:
        path = report.write(everything(), journal)
    finally:
        os.umask(before)
    folder = Path(os.fsdecode(journal.folder))
    assert path == str(folder / "report.txt")
    for name in ("report.txt", "report.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert (folder / "report.txt").read_text() == report.text(everything())
    assert json.loads((folder / "report.json").read_text()) == json.loads(json.dumps(report.as_json(everything())))


def test_a_report_that_cannot_be_written_stops_nothing(journal: Journal) -> None:
    os.mkdir(os.path.join(journal.folder, b"report.txt"))
    assert not report.write(everything(), journal).startswith("/")


def test_the_text_has_every_path_and_every_line_of_a_hook_and_nothing_that_a_terminal_obeys() -> None:
    lines = report.text(everything()).splitlines()
    assert all(line.isprintable() for line in lines)
    for path in (b"/w/create", b"/w/replace", b"/w/cannot"):
        assert any(path.decode() in line for line in lines)
    assert sum("pacha_post/" in line and line.startswith("hook") for line in lines) == 3


def test_programs_get_paths_as_they_are() -> None:
    made = report.as_json(everything())
    assert made["owed"] == [os.fsdecode(ODD)] == [concern["path"] for concern in made["concerns"][:1]]
    assert (made["snapshot"], made["host"], made["adopted"], made["seconds"]) == (TIP, "bar", True, 1.5)
    assert made["done"] == {action.value: 2 for action in Action}
    assert [hook["failure"] for hook in made["ran"]] == ["", "it failed", "it failedit failed"]
    assert made["target"] == "/t\udcff"


def test_each_step_tells_what_was_and_what_is_to_be() -> None:
    changed = step(
        Action.REPLACE,
        actual=entry(b"/w/f", mode=0o600, uid=7, size=9),
        uid=1,
        gid=2,
        mode=0o4755,
        reason="size 9 -> 3",
    )
    made, created = report.proposal_json(proposal(changed, step(Action.CREATE, b"/w/g")))["steps"]
    assert (made["action"], made["reason"], made["old"]["mode"], made["old"]["uid"]) == (
        "replace", "size 9 -> 3", "0600", 7,
    )  # fmt: skip
    assert made["new"] == {
        "kind": "f", "mode": "4755", "uid": 1, "gid": 2, "size": 3, "mtime_ns": 5, "sha256": (b"s" * 32).hex(),
    }  # fmt: skip
    assert "old" not in created and "reason" not in created and "shortfall" not in created


def test_a_step_is_one_line_with_its_shortfall() -> None:
    line = report.step_line(replace(step(Action.CANNOT, ODD, reason="it is immutable"), shortfall="no ACL"))
    assert line.startswith("cannot ") and line.endswith(": it is immutable [no ACL]") and line.isprintable()


def test_a_rule_of_all_watched_paths_is_said_once() -> None:
    one, two = (replace(SNAPSHOT.live[0], path=path, exclude=("/srv/cache",)) for path in (b"/a", b"/b"))
    made = proposal(snapshot=Snapshot({"host": "bar"}, (one, two)))
    assert report.watched_line(made) == "/a (0), /b (0); all without /srv/cache"
    other = replace(two, exclude=("*.o",))
    made = proposal(snapshot=Snapshot({"host": "bar"}, (one, other)))
    assert report.watched_line(made) == "/a (0, without /srv/cache), /b (0, without *.o)"
    made = proposal(snapshot=Snapshot({"host": "bar"}, (one,)))
    assert report.watched_line(made) == "/a (0, without /srv/cache)"
