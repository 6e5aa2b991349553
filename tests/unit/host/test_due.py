"""When a push is due: by the last success, by the last failure, whatever the clock does."""

from __future__ import annotations

import pytest

from pacha.host.due import is_at_work, is_due, is_overdue, next_push, period
from pacha.store.host_state import HostState

HOUR = 3600.0
NOW = 1_000_000_000.0


def test_the_first_push_is_due() -> None:
    assert is_due(HostState(), 12, NOW)


@pytest.mark.parametrize(("hours", "due"), [(0.1, False), (11, False), (11.4, False), (11.6, True), (12, True)])
def test_a_success_is_good_for_as_long_as_the_frequency_says(hours: float, due: bool) -> None:
    assert is_due(HostState(succeeded=NOW - hours * HOUR, tried=NOW - hours * HOUR), 12, NOW) is due


def test_hourly_runs_push_every_twelfth_time_though_each_takes_its_time() -> None:
    """Each push ends a little later than the hour at which it began."""
    pushed, state = [], HostState(succeeded=NOW + 90)
    for hour in range(1, 49):
        if is_due(state, 12, NOW + hour * HOUR + hour % 3):
            pushed.append(hour)
            state = HostState(succeeded=NOW + hour * HOUR + 90)
    assert pushed == [12, 24, 36, 48]


def test_a_frequency_that_does_not_divide_a_day() -> None:
    pushed, state = [], HostState(succeeded=NOW)
    for hour in range(1, 22):
        if is_due(state, 5, NOW + hour * HOUR):
            pushed.append(hour)
            state = HostState(succeeded=NOW + hour * HOUR)
    assert pushed == [5, 10, 15, 20]


def test_a_failure_is_tried_again_at_the_next_run() -> None:
    assert is_due(HostState(succeeded=NOW - HOUR, failure="The line was lost."), 12, NOW)


def test_a_clock_that_went_back_stops_no_pushes() -> None:
    assert is_due(HostState(succeeded=NOW + 400 * 24 * HOUR), 12, NOW)


@pytest.mark.parametrize(
    ("hours", "minutes"), [(12, 60), (1.0, 60), (0.99, 30), (0.5, 30), (0.4, 20), (0.25, 15), (0.1, 6), (0.001, 1)]
)
def test_the_job_runs_as_often_as_it_must(hours: float, minutes: int) -> None:
    assert period(hours) == minutes
    succeeded = HostState(succeeded=NOW)
    assert is_due(succeeded, hours, NOW + max(hours * HOUR, minutes * 60))


def test_what_is_overdue() -> None:
    assert is_overdue(HostState(), 12, NOW)
    assert not is_overdue(HostState(succeeded=NOW - 13.9 * HOUR), 12, NOW)
    assert is_overdue(HostState(succeeded=NOW - 14.1 * HOUR), 12, NOW)
    assert next_push(HostState(succeeded=NOW), 12) == NOW + 11.5 * HOUR


@pytest.mark.parametrize(
    ("work", "hours", "quiet"),
    [("push", 0, True), ("push", 23.9, True), ("push", 24.1, False), ("push", -1, True), ("push", -25, False),
     ("", 1, False), ("pushy", 1, False)],
)  # fmt: skip
def test_a_push_that_takes_long_is_left_alone_for_a_day(work: str, hours: float, quiet: bool) -> None:
    assert is_at_work(work, hours * HOUR) is quiet
