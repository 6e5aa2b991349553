"""How long is waited: a slow line that is honest gets there, and one that dribbles does not hold anybody for ever."""

from __future__ import annotations

import pytest

from pacha.wire.ssh.pace import Pace

IDLE = 120.0


def seconds_until_given_up(pace: Pace, every: float, size: int, most: float = 1e4) -> float:
    """How long a line is waited for that brings ``size`` bytes ``every`` so many seconds."""
    gone = 0.0
    while pace.left > 0 and gone < most:
        pace.waited(every, size)
        gone += every
    return gone


@pytest.mark.parametrize(("every", "size"), [(1, 1), (100, 1), (0.1, 10), (1, 200), (60, 4096), (5, 0)])
def test_a_dribble_is_given_up(every: float, size: int) -> None:
    assert seconds_until_given_up(Pace(IDLE, lambda: 0), every, size) < 3 * IDLE


@pytest.mark.parametrize(("every", "size"), [(0.1, 700), (1, 1000), (20, 140_000), (90, 60_000)])
def test_a_modem_is_waited_for(every: float, size: int) -> None:
    """56 kbit/s, also where seven share it, and one whose line comes and goes."""
    assert seconds_until_given_up(Pace(IDLE, lambda: 0), every, size) >= 1e4


def test_what_came_fast_once_is_no_excuse() -> None:
    pace = Pace(IDLE, lambda: 0)
    pace.waited(1, 10**10)
    assert seconds_until_given_up(pace, 1, 1) < 2 * IDLE


def test_each_question_may_be_thought_about() -> None:
    pace = Pace(IDLE, lambda: 0)
    for _ in range(20):
        pace.asked()
        pace.begin()
        pace.waited(90, 40)  # a small answer that comes at once after that
        assert pace.left > 0
    pace.begin()  # nothing was asked
    pace.waited(90, 40)
    assert pace.left <= 0


def test_what_was_sent_has_to_get_there_and_to_be_taken_in() -> None:
    """Two megabytes on a line of 56 kbit/s, or a gigabyte that a slow master applies."""
    queued = 2 << 20
    pace = Pace(IDLE, lambda: queued)
    assert pace.to_end > IDLE + (2 << 20) / 7000
    pace.waited(300, 0)
    assert pace.left > 0
    queued = 0
    assert pace.left <= 0, "all of it is there"
    pace = Pace(IDLE, lambda: 0)
    pace.asked()
    pace.sent(1 << 30)
    assert IDLE + 1000 < pace.to_end < IDLE + 1100
    pace.begin()
    pace.waited(1000, 0)
    assert pace.left > 0
    pace.asked()
    pace.begin()
    pace.waited(IDLE, 0)
    assert pace.left <= 0, "that was taken in"
