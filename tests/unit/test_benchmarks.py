"""What benchmarks/ must hold to be believed: the parts of a command are there, and add up."""

from __future__ import annotations

import time

import pytest

from benchmarks.speed_parts.probe import IDLE, PARTS, Clock, found


@pytest.mark.parametrize("step", PARTS)
def test_every_part_names_functions_that_are_there(step: str) -> None:
    assert all(callable(found(target)[2]) for targets in PARTS[step].values() for target in targets)


def test_a_function_that_is_gone_is_no_part() -> None:
    with pytest.raises(AttributeError, match="no_longer_here"):
        found("pacha.actions.push:no_longer_here")


def test_an_idle_push_is_measured_without_mercurial() -> None:
    assert not any("mercurial" in target or "hg" in target for targets in PARTS[IDLE].values() for target in targets)


def test_parts_add_up_and_one_within_another_counts_alone() -> None:
    clock = Clock()
    inner = clock.timed("inner", lambda: _busy(0.05))
    clock.timed("outer", lambda: (_busy(0.02), inner()))()
    whole = time.thread_time()
    clock.turn()
    assert clock.spent["inner"] >= 0.05 > clock.spent["outer"] >= 0.02
    assert sum(clock.spent.values()) == pytest.approx(whole, abs=0.01)


def _busy(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
