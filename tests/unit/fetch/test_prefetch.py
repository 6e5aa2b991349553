"""Copies that come ahead, and who is interrupted while he waits for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pacha.fetch.prefetch import Prefetcher
from pacha.wire.scp import Received, Totals


def test_one_that_still_comes_is_hung_up_on() -> None:
    """Ctrl-C in the last of several does not wait for the rest of it, which may be hours."""
    hung_up = threading.Event()

    def copy(name: str, on_file: Callable[[Received], None]) -> Totals:
        on_file(Received(b"data/one.i", 1, 0.0))
        assert name == "first" or hung_up.wait(3)
        return Totals(1, 1, 0.0)

    def interrupted(received: Received) -> None:
        raise KeyboardInterrupt

    prefetcher = Prefetcher(copy)
    prefetcher.begin(["first", "last"])
    assert prefetcher.wait_for("first", lambda received: None).files == 1
    with pytest.raises(KeyboardInterrupt):
        prefetcher.wait_for("last", interrupted)
    prefetcher.stop(hung_up.set)
    assert hung_up.is_set()
