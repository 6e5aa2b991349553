"""What benchmarks/ must hold to be believed: the parts of a command are there, and add up."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.speed_parts.measure import Cost
from benchmarks.speed_parts.probe import IDLE, PARTS, Clock, found

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.parametrize("step", PARTS)
def test_every_part_names_functions_that_are_there(step: str) -> None:
    assert all(callable(found(target)[2]) for targets in PARTS[step].values() for target in targets)


def test_a_function_that_is_gone_is_no_part() -> None:
    with pytest.raises(AttributeError, match="no_longer_here"):
        found("pacha.push.push:no_longer_here")


def test_an_idle_push_is_measured_without_mercurial() -> None:
    assert not any("mercurial" in target or "hg" in target for targets in PARTS[IDLE].values() for target in targets)


def test_the_parts_of_a_run_are_told_when_it_ends(tmp_path: Path) -> None:
    told = tmp_path / "parts.json"
    places = {"PACHA_STATE": str(tmp_path), "PACHA_CONFIG": str(tmp_path / "none"), "PARTS": f"{IDLE}:{told}"}
    command = [sys.executable, str(BENCHMARKS / "speed_parts" / "probe.py"), "config-values"]
    assert subprocess.run(command, env={**os.environ, **places}, capture_output=True).returncode == 10
    assert sum(json.loads(told.read_text())["parts"].values()) > 0


def test_parts_add_up_and_one_within_another_counts_alone() -> None:
    clock = Clock()
    inner = clock.timed("inner", lambda: _busy(0.05))
    clock.timed("outer", lambda: (_busy(0.02), inner()))()
    whole = time.thread_time()
    clock.turn()
    assert clock.spent["inner"] >= 0.05 > clock.spent["outer"] >= 0.02
    assert sum(clock.spent.values()) == pytest.approx(whole, abs=0.01)


@pytest.mark.parametrize(
    ("cpu", "mib", "fair"),
    [((1, 10, 100), (50, 90, 400), True), ((1, 1.5, 30), (50, 50, 50), False), ((1, 1, 1), (10, 20, 400), False)],
)
def test_growth_is_judged_from_the_smallest_size_and_from_the_last_but_one(
    cpu: tuple[float, ...], mib: tuple[float, ...], fair: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    judge = runpy.run_path(str(BENCHMARKS / "scaling"))["_judge"]
    costs = (Cost(0, *one) for one in zip(cpu, mib, strict=True))
    assert judge("files", "push", {10**n: {"push": cost} for n, cost in enumerate(costs, 3)}) is fair


def _busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
