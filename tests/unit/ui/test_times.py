"""Times: local for people, UTC for programs; none at all is told as such."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pacha.ui.times import moment, utc


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A zone that is not UTC."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_people_get_local_time_and_programs_utc() -> None:
    assert moment(1_795_499_276.75) == "2026-11-24 11:17"
    assert utc(1_795_499_276.75) == "2026-11-24T05:47:56Z"


def test_none_is_not_the_beginning_of_the_epoch() -> None:
    assert (moment(0), utc(0)) == ("never", None)
