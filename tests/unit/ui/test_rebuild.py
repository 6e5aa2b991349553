"""What is asked before a rebuild changes anything, and where nobody can be asked."""

from __future__ import annotations

import io
import sys

import pytest

from pacha.errors import PachaError
from pacha.rebuild.planning import PlannedRebuild
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.release import DEBIAN, Release, ReleaseChange
from pacha.restore.plan import Plan
from pacha.store.snapshot import Snapshot
from pacha.ui.console import Console
from pacha.ui.plan import plan_lines, question_lines
from pacha.ui.rebuild import RebuildConsole

CHANGE = ReleaseChange(DEBIAN, Release("debian", "12"), Release("debian", "13"))
SAID = "'bar' was Debian 12; this machine is Debian 13."


def proposal(change: ReleaseChange | None) -> Proposal:
    preview = PlannedRebuild(plan=Plan(steps=(), roots=()), wanted={})
    return Proposal(
        host="bar", tip="1" * 40, at=0.0, by="x", target=b"", snapshot=Snapshot(), preview=preview, release=change
    )


def test_another_release_is_said_first_and_is_worth_a_question() -> None:
    assert next(plan_lines(proposal(CHANGE))) == SAID
    assert next(question_lines(proposal(CHANGE))) == SAID
    assert proposal(CHANGE).is_grave and not proposal(None).is_grave


def test_another_release_stops_it_where_nobody_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(PachaError) as caught:
        RebuildConsole(Console(), asks=True).confirm(proposal(CHANGE))
    assert caught.value.code == "not-confirmed"
    RebuildConsole(Console(), asks=False).confirm(proposal(CHANGE))  # --yes
