"""Fetch again what a push changed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from pacha.errors import DamagedError, UnreachableError

_TRIES = 6
_ALIKE = 3  #: the same fault so many times in a row is damage, not a push at work
_ENDED = "master-ended"  #: the code of an error after which another process there may do it
_T = TypeVar("_T")


def again(fetch: Callable[[], _T]) -> _T:
    """Retry ``fetch`` after DamagedError, as a push may be at work, and after the process on the master ended.

    Raises the error if the same fault comes several times in a row.
    """
    faults: list[object] = []
    while True:
        try:
            return fetch()
        except (DamagedError, UnreachableError) as error:
            if not isinstance(error, DamagedError) and error.code != _ENDED:
                raise
            faults.append(error.fault)
            if len(faults) == _TRIES or faults[-_ALIKE:] == [faults[-1]] * _ALIKE:
                raise
            time.sleep(0.1 * len(faults))
