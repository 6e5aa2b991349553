"""Decide when a push is due, from what is remembered of the last ones. Pure, and imports almost nothing.

The scheduled job asks more often than ``pacha.frequency`` says, at most once an hour: so a frequency that does not
divide a day works, a run that was missed is caught up, and one that failed is tried again soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pacha.store.host_state import HostState

PUSH = "push"  #: what the lock is held for
_LONGEST = 24 * 3600.0  #: seconds that a push may take before the job says that it waits for one
_OF_AN_HOUR = (60, 30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1)


def period(frequency: float) -> int:
    """Minutes between two runs of the job for a ``frequency`` in hours: the longest part of an hour that does."""
    return next((minutes for minutes in _OF_AN_HOUR if minutes <= frequency * 60), 1)


def next_push(state: HostState, frequency: float) -> float:
    """From when on (seconds since the epoch) a push is due; 0 for at once.

    At once after a failure, and when there was no push yet. Half a period of the job is let off, so that a run
    which took its time last time, or begins a moment earlier this time, does not put it off by a whole one.
    """
    if state.failure or not state.succeeded:
        return 0.0
    return state.succeeded + frequency * 3600 - period(frequency) * 30


def is_due(state: HostState, frequency: float, now: float) -> bool:
    """Whether to push ``now``. A last success that lies ahead is that of a clock which was set back since."""
    return now >= next_push(state, frequency) or now < state.succeeded


def is_overdue(state: HostState, frequency: float, now: float) -> bool:
    """Whether two runs of the job should have pushed by ``now`` and have not."""
    return now > state.succeeded + frequency * 3600 + 2 * period(frequency) * 60


def is_at_work(work: str, seconds: float) -> bool:
    """Whether whoever holds the lock for ``work`` since so many ``seconds`` does what is due: a first push takes hours.

    One of more than a day hangs, and so may one that began in the future, as the clock was set back since.
    """
    return work == PUSH and abs(seconds) < _LONGEST
