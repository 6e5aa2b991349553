"""Decide when a push is due, from what is remembered of the last ones. Pure, and imports almost nothing.

The scheduled job runs at least once an hour and asks this module. So a frequency that does not divide a day works, a
missed push is made up for, and a failed one is tried again soon.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pacha.errors import LockedError
    from pacha.store.host_state import HostState

PUSH = "push"  #: the name of the work for which a push holds the lock
_LONGEST = 24 * 3600.0  #: seconds after which a push counts as hanging
_OF_AN_HOUR = (60, 30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1)


def period(frequency: float) -> int:
    """Minutes between two runs of the job for a ``frequency`` in hours: a divisor of an hour, the largest possible."""
    return next((minutes for minutes in _OF_AN_HOUR if minutes <= frequency * 60), 1)


def next_push(state: HostState, frequency: float) -> float:
    """The time (seconds since the epoch) from which on a push is due; 0: at once.

    At once after a failure, and when there was no push yet. It is half a period of the job early, so that a slow last
    push, or a job that starts a moment early, does not delay the next push by a whole period.
    """
    if state.failure or not state.succeeded:
        return 0.0
    return state.succeeded + frequency * 3600 - period(frequency) * 30


def is_due(state: HostState, frequency: float, now: float) -> bool:
    """Whether to push ``now``; also if the last success is in the future, as the clock was set back."""
    return now >= next_push(state, frequency) or now < state.succeeded


def is_overdue(state: HostState, frequency: float, now: float) -> bool:
    """Whether two runs of the job should have pushed by ``now``, but did not."""
    return now > state.succeeded + frequency * 3600 + 2 * period(frequency) * 60


def as_known(state: HostState, holder: LockedError | None) -> HostState:
    """``state`` without a failure while ``holder`` pushes.

    What a push remembers as its failure from the start is for the case that it is killed.
    """
    return replace(state, failure="", cure="") if holder and holder.work == PUSH else state


def is_at_work(work: str, seconds: float) -> bool:
    """Whether the lock's holder, which does ``work`` for so many ``seconds``, is pushing: a first push takes hours.

    A push of more than a day hangs, and so may one that began in the future, as the clock was set back.
    """
    return work == PUSH and abs(seconds) < _LONGEST
