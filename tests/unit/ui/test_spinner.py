"""Whoever waits sees that it goes on."""

from __future__ import annotations

import sys
import time

import pytest

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
