"""How much of a test is run: a sample in every run, all of it with ``tests/run --soak``."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
os.environ.setdefault("PACHA_DAY", str(int(time.time() // 86_400)))


def amount(variable: str, *, sample: float, soak: float) -> float:
    """How often, or how long: what the environment's ``variable`` says, else ``soak`` or a ``sample``."""
    given = os.environ.get(variable)
    return float(given) if given else soak if is_soak() else sample


def examples(soak: int) -> int:
    """How many examples of hypothesis: so many in a soak, a quarter in every other run, each time others."""
    return soak if is_soak() else soak // 4


def is_soak() -> bool:
    """Whether everything is to be run, however long it takes."""
    return bool(os.environ.get("PACHA_SOAK"))


def by_turns(cases: Sequence[T], every: int) -> list[T]:
    """One of ``every`` cases, those of the day; all of them in a soak. So each is run every few days."""
    if is_soak():
        return list(cases)
    day = int(os.environ["PACHA_DAY"])  # of the first process, that all its workers choose the same
    return [case for number, case in enumerate(cases) if number % every == day % every]


def left_for_another_day(names: Sequence[str], every: int) -> set[str]:
    """Of the ``names`` of cases, those that are not of this day; one at least of each test is (``test[case]``)."""
    if is_soak():
        return set()
    tests: dict[str, list[str]] = {}
    for name in names:
        tests.setdefault(name.partition("[")[0], []).append(name)
    return {
        name for cases in tests.values() if len(cases) >= every for name in set(cases) - set(by_turns(cases, every))
    }
