"""The text of the status."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest

from pacha.errors import Concern
from pacha.host.status import MasterStatus, Status
from pacha.ui import console, status


def master(name: str, failure: str = "", unsent: int = 0, current: bool = False) -> MasterStatus:
    return MasterStatus(name=name, succeeded=0, tried=0, failure=failure, unsent=unsent, current=current)


def status_of(masters: tuple[MasterStatus, ...], failure: str = "", cure: str = "") -> Status:
    return Status(
        host="bar", machine="1", frequency=12, watched=1, tried=0, succeeded=0, failure=failure, cure=cure, next_due=0,
        overdue=False, running="", tip="", masters=masters, concerns=(), owed=(), unfinished=(), left_out={},
        schedule=(),
    )  # fmt: skip


def test_a_master_with_a_long_name_has_its_column() -> None:
    name = "master.example.com"
    assert f"on {name}: 1 snapshot not sent yet" in status.status_text(status_of((master(name, unsent=1),)))


def test_what_failed_is_red_and_what_needs_a_look_yellow(monkeypatch: pytest.MonkeyPatch) -> None:
    found = replace(status_of((master("a", unsent=1),), "It broke.", "Mend it."), owed=(b"/a",))
    assert "\x1b" not in status.status_text(found)
    monkeypatch.setattr(console, "is_coloured", lambda: True)
    lines = status.status_text(found).splitlines()
    for name, colour in (("failed:", "red"), ("on a:", "yellow"), ("owed:", "yellow"), ("host:", None)):
        [line] = [line for line in lines if name in line]
        assert line.startswith(click.style("", fg=colour, reset=False) + name)


def test_what_a_line_says_does_not_choose_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    concern = Concern(b"/a", "not sent yet; failed: too long ago")
    found = replace(status_of((master("too long ago"), master("b", failure="Not b."))), concerns=(concern,))
    monkeypatch.setattr(console, "is_coloured", lambda: True)
    lines = status.status_text(found).splitlines()
    for name, colour in (("on too long ago:", None), ("on b:", "red"), ("to look at:", "yellow")):
        [line] = [line for line in lines if name in line]
        assert line.startswith(click.style("", fg=colour, reset=False) + name)


def test_a_failure_is_said_once_with_its_cure_and_a_master_that_was_rebuilt_from_has_it_all() -> None:
    masters = (master("a", failure="It broke.", current=True), master("b"))
    text = status.status_text(status_of(masters, "It broke.", "Mend it."))
    assert text.count("It broke.") == 1 and "to fix it:    Mend it." in text
    assert "on a:         up to date\n" in text and "on b:         nothing sent yet" in text
