"""Whoever waits sees that it goes on."""

from __future__ import annotations

import sys
import time

import pytest

from pacha.system import activity, waits
from pacha.ui.spinner import waiting
from tests.support.terminal import Terminal


def test_whoever_waits_sees_that_it_goes_on_and_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with waiting("Pushing"):
        pass
    assert terminal.getvalue() == "", "it did not take long"
    with waiting("Pushing", after=0.01, every=0.01):
        time.sleep(0.1)
    first, *_, wiped, end = terminal.getvalue().split("\r")[1:]
    assert first == "Pushing (0 s)" and not wiped.strip() and end == ""
    with waiting("Pushing", quiet=True, after=0.0):
        time.sleep(0.05)
    assert terminal.getvalue().endswith(f"{wiped}\r")


def test_a_master_that_keeps_one_waiting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with (
        waiting("Pushing", after=0.01, every=0.01),
        waits.waiting("bar@master", 34.0),
        waits.waiting("bar@other", 31.0),
    ):
        time.sleep(0.1)
    assert "Pushing (0 s), waiting for bar@master for 34 s" in terminal.getvalue()
    with waiting(after=0.01, every=0.01):
        with waits.waiting("bar@master", 1.0):
            time.sleep(0.05)
        assert not terminal.getvalue().endswith("bar@master for 1 s\r"), "that is no time"
        with waits.waiting("bar@master", 7.0):
            time.sleep(0.1)
            assert terminal.getvalue().endswith("\rwaiting for bar@master for 7 s\r")
        time.sleep(0.1)
        assert terminal.getvalue().endswith(" \r"), "it is still shown"


def test_what_is_done_and_how_far_it_is_stands_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with waiting("Pushing", after=0.01, every=0.01):
        activity.begin("reading below /etc", 2000)
        activity.advance(812, 3 << 20)
        time.sleep(0.1)
    assert "Pushing (0 s): 812 of 2000, 3072 KB (" in terminal.getvalue() and "below /etc" in terminal.getvalue()
    with waiting("Pushing", after=0.01, every=0.01):
        activity.begin("looking for what changed", counter=lambda: 4711)
        time.sleep(0.1)
    assert "Pushing (0 s): 4711 so far, looking for what changed" in terminal.getvalue()
    with waiting(after=0.01, every=0.01):
        activity.begin("x" * 200)
        time.sleep(0.1)
    assert "\r0 s, xxx" in terminal.getvalue()
    assert max(map(len, terminal.getvalue().split("\r"))) < 80, "a line that wraps is not removed"
