"""Work in a thread of its own: its result or its error is the future's, and nobody has to wait for it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from pacha.errors import PachaError, Signalled
from pacha.system import background


def test_what_it_returns_is_the_futures() -> None:
    assert background.start(divmod, 7, 2).result(10) == (3, 1)
    assert background.start(sorted, [1, 2], reverse=True).result(10) == [2, 1]


@pytest.mark.parametrize("error", [PachaError("It failed.", code="x"), Signalled(15), SystemExit(1)])
def test_what_it_raises_is_the_futures(error: BaseException) -> None:
    def work() -> None:
        raise error

    assert background.start(work).exception(10) is error


def test_several_are_at_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=10)
    for future in [background.start(meeting.wait) for _ in range(3)]:
        future.result(10)


def test_the_process_ends_while_one_is_at_work() -> None:
    script = "import time\nfrom pacha.system import background\nbackground.start(time.sleep, 60)"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 0
    assert time.monotonic() - began < 20


def test_a_thread_that_the_system_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(PachaError) as caught:
        background.start(int)
    assert caught.value.code == "no-more-processes" and "TasksMax" in caught.value.why
