"""What is believed of a heartbeat, which anybody may have forged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pacha.wire.heartbeat import parse
from pacha.wire.master import HEARTBEAT_MAX

LINE: dict[str, Any] = {"at": "2026-11-28T20:00:00Z", "tip": "ab" * 20, "exit": 0, "version": "1.0"}


def test_the_least_that_it_says_is_enough() -> None:
    left = parse(json.dumps(LINE).encode())
    assert (left.tip, left.at, left.made, left.exit) == ("ab" * 20, left.at, left.at, 0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        json.dumps({**LINE, "tip": "ab" * 20 + "\n"}).encode(),
        json.dumps({**LINE, "tip": 7}).encode(),
        json.dumps({**LINE, "at": "yesterday"}).encode(),
        json.dumps({**LINE, "more": "x" * HEARTBEAT_MAX}).encode(),
    ],
)
def test_what_makes_no_sense_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        parse(text)
