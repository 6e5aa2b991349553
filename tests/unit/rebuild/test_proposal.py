"""What a proposal makes of its plan: what is grave, what is replaced, what goes aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import Concern
from pacha.rebuild.hooks import Hooks, Planned
from pacha.restore.plan import Action
from tests.support.proposing import proposal, step

HOOK = Planned("pacha_pre", b"stop", "0" * 64, "root", Path("/x"))


@pytest.mark.parametrize("action", [one for one in Action if one is not Action.REPLACE])
def test_nothing_is_grave_that_takes_nothing_away(action: Action) -> None:
    assert not proposal(step(action)).is_grave


def test_what_is_replaced_is_grave() -> None:
    proposed = proposal(step(Action.CREATE), step(Action.REPLACE, b"/w/g"))
    assert proposed.is_grave and [one.path for one in proposed.replaced] == [b"/w/g"]


def test_extras_are_moved_aside_and_grave_only_where_that_was_asked_for() -> None:
    left, moved = (proposal(step(Action.EXTRA), delete=delete) for delete in (False, True))
    assert (left.moved_aside, left.is_grave) == ((), False)
    assert len(moved.moved_aside) == 1 and moved.is_grave


def test_an_owner_that_is_missing_and_a_hook_are_grave() -> None:
    assert proposal(step(Action.CREATE), ownerless=frozenset([b"/w/f"])).is_grave
    assert proposal(hooks=Hooks(after=(HOOK,))).is_grave
    assert not proposal(hooks=Hooks(passed_over=("x",))).is_grave


def test_the_concerns_are_those_of_the_plan_and_the_room_that_is_missing() -> None:
    proposed = proposal(concerns=(Concern(b"/a", "a"),))
    proposed = replace(proposed, preview=replace(proposed.preview, shortages=(Concern(b"/b", "b"),)))
    assert [concern.path for concern in proposed.concerns] == [b"/a", b"/b"]
