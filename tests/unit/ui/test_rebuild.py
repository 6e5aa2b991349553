"""A rebuild at a terminal: who is asked, and what is said of accounts, hooks and the result."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

from pacha.errors import Concern, PachaError
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.release import DEBIAN, Release, ReleaseChange
from pacha.rebuild.undo import RebuildRecord
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Action
from pacha.ui import rebuild as ui
from pacha.ui.console import Console
from pacha.ui.plan import plan_lines, question_lines
from pacha.ui.rebuild import RebuildConsole
from tests.support.package_plans import package, planned
from tests.support.proposing import ODD, proposal, rebuilt, step
from tests.support.terminal import at_terminal

GRAVE, HARMLESS = proposal(step(Action.REPLACE, ODD)), proposal(step(Action.CREATE))
OF_ANOTHER = replace(HARMLESS, release=ReleaseChange(DEBIAN, Release("debian", "12"), Release("debian", "13")))
SAID = "'bar' was Debian 12; this machine is Debian 13."


def asked(proposed: Proposal, monkeypatch: pytest.MonkeyPatch, *, asks: bool = True) -> bool:
    """Whether the second question is put, to somebody who is not there."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    try:
        RebuildConsole(Console(), asks=asks).reporter().confirm(proposed)
    except PachaError:
        return True
    return False


def test_only_what_is_grave_is_asked_about_and_only_where_somebody_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(GRAVE, monkeypatch) and not asked(HARMLESS, monkeypatch)
    assert not asked(GRAVE, monkeypatch, asks=False)


def test_the_commands_for_accounts_that_are_missing_are_told_even_where_it_is_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lacking = replace(HARMLESS, preview=replace(HARMLESS.preview, commands=("useradd a", "useradd b")))
    RebuildConsole(Console(quiet=True)).plan(lacking)
    out, err = capsys.readouterr()
    assert out == "" and "useradd a" in err and "useradd b" in err


def test_a_hook_that_failed_is_told_on_stderr_with_all_that_it_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console = RebuildConsole(Console(quiet=True))
    console.hook(HookRun("pacha_pre/a", "", b"fine\n"))
    console.hook(HookRun("pacha_pre/b", "it ended with 3", b"one\x1b\ntwo\n"))
    out, err = capsys.readouterr()
    assert out == "" and "fine" not in err and "one\\x1b" in err and "two" in err and "it ended with 3" in err


def test_the_result_names_every_concern(capsys: pytest.CaptureFixture[str]) -> None:
    done = rebuilt(GRAVE, Outcome(concerns=(Concern(ODD, "not restored"),)))
    RebuildConsole(Console(quiet=True)).rebuilt(done)
    out, err = capsys.readouterr()
    assert out == "" and "not restored" in err and "\x1b" not in err


@pytest.mark.parametrize(
    ("verbose", "action", "told"),
    [(True, Action.CREATE, True), (True, Action.SAME, False), (False, Action.CREATE, False)],
)
def test_each_step_is_told_to_whoever_asked_for_more(
    capsys: pytest.CaptureFixture[str], verbose: bool, action: Action, told: bool
) -> None:
    RebuildConsole(Console(verbose=verbose)).step(step(action))
    assert bool(capsys.readouterr().out) is told


def test_a_past_rebuild_is_one_line_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    past = RebuildRecord(
        id="20261124T090354.459497832Z-a986cafe", host="bar", at=10**9, state="finished", target=b"/t\xff\x1b"
    )
    assert past.id in ui.past_line(past) and ui.past_line(past).isprintable()
    at_terminal(monkeypatch)
    assert past.id not in ui.past_line(past)


def test_another_release_is_said_first_and_is_worth_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    assert next(plan_lines(OF_ANOTHER)) == SAID == next(question_lines(OF_ANOTHER))
    assert asked(OF_ANOTHER, monkeypatch) and not asked(OF_ANOTHER, monkeypatch, asks=False)


def test_the_commands_for_packages_say_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    RebuildConsole(Console()).plan(replace(HARMLESS, packages=planned(package("nginx", manual=True))))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == ["The commands that install its packages:", "    apt-get update", "    apt-get install nginx"]
