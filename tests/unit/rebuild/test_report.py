"""The report of a rebuild: ten lines at most for the screen, everything in the state folder, nothing to obey."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.rebuild import report
from pacha.rebuild.report_json import as_json
from pacha.restore.journal import Journal
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Action
from pacha.store.snapshot import Snapshot
from tests.support.proposing import EVERY, ODD, SNAPSHOT, proposal, rebuilt, rebuilt_with_everything, step


@pytest.fixture(name="journal")
def begun_journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.begin(os.fsencode(tmp_path))
    yield journal
    journal.close()


def test_the_summary_of_anything_is_at_most_ten_lines_to_print() -> None:
    for done in (rebuilt_with_everything(), rebuilt(proposal())):
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
        path = report.write(rebuilt_with_everything(), journal)
    finally:
        os.umask(before)
    folder = Path(os.fsdecode(journal.folder))
    assert path == str(folder / "report.txt")
    for name in ("report.txt", "report.json"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert json.loads((folder / "report.json").read_text()) == json.loads(
        json.dumps(as_json(rebuilt_with_everything()))
    )


def test_a_report_that_cannot_be_written_stops_nothing(journal: Journal) -> None:
    os.mkdir(os.path.join(journal.folder, b"report.txt"))
    assert not report.write(rebuilt_with_everything(), journal).startswith("/")


def test_the_text_has_every_path_and_every_line_of_a_hook_and_nothing_that_a_terminal_obeys(journal: Journal) -> None:
    lines = Path(report.write(rebuilt_with_everything(), journal)).read_text().splitlines()
    assert all(line.isprintable() for line in lines)
    for path in (b"/w/create", b"/w/replace", b"/w/cannot"):
        assert any(path.decode() in line for line in lines)
    assert sum("pacha_post/" in line and line.startswith("hook") for line in lines) == 3


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
