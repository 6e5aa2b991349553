"""The second process of a rebuild, on any machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from pacha.fetch.worker import WorkerProcess


@pytest.fixture(name="worker")
def worker_fixture(monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    """One that is ready, whatever processors and threads there are."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    with WorkerProcess.start() as made:
        assert made is not None
        yield made
