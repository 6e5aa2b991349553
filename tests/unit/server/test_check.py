"""A check of a host's folder runs as the account that owns it, and ends."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pacha.server import check


def test_a_check_that_is_stopped_ends_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process that looks at a host's folder is of the account that owns it, which can stop it for good."""
    monkeypatch.setattr(check, "_SECONDS", 0.5)
    said = check._apart(os.stat(tmp_path), lambda: {"stopped": os.kill(os.getpid(), signal.SIGSTOP)})
    assert said["code"] == 13 and "by signal 9" in said["faults"][0]


@pytest.mark.parametrize(
    "changes",
    [
        {"files": float("inf")}, {"size": float("nan")}, {"size": -1}, {"made": 1e300}, {"made": -1.0},
        {"tip": "\x1b[2J"}, {"faults": None}, {"code": 10**400},
    ],
)  # fmt: skip
def test_a_result_that_makes_no_sense_is_damage(tmp_path: Path, changes: dict[str, object]) -> None:
    """It comes from a process of the account that owns the folder."""
    said = check._apart(os.stat(tmp_path), lambda: {**check.result(0), **changes})
    assert said["code"] == 13 and "the check ended" in said["faults"][0]
    assert check._apart(os.stat(tmp_path), lambda: check.result(0))["code"] == 0
