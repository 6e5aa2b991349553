"""A plan is shown whole: what becomes of how many paths, each path that differs, what is worth a second thought."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.rebuild.hooks import HookRun, Hooks, Planned
from pacha.restore.journal_records import Started
from pacha.restore.plan import Action
from pacha.ui import plan
from tests.support.proposing import ODD, TIP, proposal, step

STARTED = Started(id="id", at=1_600_000_000, host="bar", resumes=())
BEFORE, AFTER = (
    Planned(folder, b"x\x1b", f"{number}" * 64, owner, Path("/x"))
    for number, (folder, owner) in enumerate([("pacha_pre", "root"), ("pacha_post", "")])
)


def test_each_action_has_its_line_with_its_count() -> None:
    steps = [step(action, b"/w/%d" % n) for n, action in enumerate(list(Action) * 2)]
    lines = plan.totals(proposal(*steps).preview.plan)
    assert len(lines) == len(Action) and len(set(lines)) == len(lines)
    assert all(re.match(r" *2 \w", line) for line in lines)
    assert plan.totals(proposal().preview.plan) == []


def test_what_becomes_of_extras_depends_on_delete() -> None:
    (left,), (moved,) = (plan.totals(proposal(step(Action.EXTRA), delete=one).preview.plan) for one in (False, True))
    assert left != moved and "aside" in moved


def test_the_lines_have_the_snapshot_the_hooks_and_what_is_resumed_and_can_be_printed() -> None:
    proposed = proposal(
        step(Action.CREATE), hooks=Hooks((BEFORE,), (AFTER,), ("not this",)), by="evil\x1b[2J",
        resumes=(replace(STARTED, tip=TIP), STARTED),
    )  # fmt: skip
    proposed = replace(
        proposed, preview=replace(proposed.preview, reowned_count=3, reowned_accounts=("user a, 1 -> 2: 3",))
    )
    lines = list(plan.plan_lines(proposed))
    assert all(line.isprintable() for line in lines)
    text = "\n".join(lines)
    assert "another snapshot" not in text
    for words in (TIP[:12], "2020-09-13", BEFORE.sha256, AFTER.sha256, "not this", "user a, 1 -> 2: 3", "/w (0)"):
        assert words in text
    assert text.index(BEFORE.sha256) < text.index(AFTER.sha256)


def test_a_rebuild_that_is_resumed_from_another_snapshot_says_so() -> None:
    proposed = proposal(step(Action.CREATE), resumes=(replace(STARTED, tip="e" * 40),))
    (line,) = [line for line in plan.plan_lines(proposed) if "another snapshot" in line]
    assert "eeeeeeeeeeee" in line and TIP[:12] not in line


def test_every_path_that_is_not_as_it_should_be_is_listed() -> None:
    steps = [step(action, b"/w/%s" % action.value.encode()) for action in Action]
    lines = list(plan.step_lines(proposal(*steps), verbose=False))
    assert len(lines) == len(Action) - 1 and not any("/w/same" in line for line in lines)


def test_more_than_twenty_are_counted_with_the_question() -> None:
    few, many = (proposal(*(step(Action.REPLACE, b"/w/%03d" % n) for n in range(count))) for count in (20, 23))
    assert len(list(plan.question_lines(few))) == 20
    *shown, rest = plan.question_lines(many)
    assert len(shown) == 20 and "3 more" in rest
    both = proposal(step(Action.REPLACE, ODD), step(Action.EXTRA, b"/w/g"), delete=True)
    lines = list(plan.question_lines(both))
    assert len(lines) == 2 and all(line.isprintable() for line in lines)


@pytest.mark.parametrize("failure", ["", "it ended with 3"])
def test_a_hook_is_told_with_all_that_it_printed(failure: str) -> None:
    first, *printed = plan.hook_lines(HookRun("pacha_pre/a", failure, b"one\n\x1b[2Jtwo\n"))
    assert "pacha_pre/a" in first and failure in first
    assert len(printed) == 2 and all(line.isprintable() for line in printed)


def test_a_plan_that_was_made_again_says_so_and_repeats_nothing() -> None:
    made = proposal(step(Action.CREATE))
    first, again = list(plan.plan_lines(made)), list(plan.plan_lines(replace(made, revised=True)))
    assert any(line.startswith("Snapshot ") for line in first)
    assert again == ["Packages, or hooks, changed what there is to do. It is now:", "       1 to make"]
