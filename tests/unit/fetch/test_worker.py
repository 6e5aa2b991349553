"""The second process of a rebuild: what it is asked, what becomes of it, and that it can be done without."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pacha.errors import PachaError, UsageError
from pacha.fetch import worker as module
from pacha.fetch.worker import WorkerProcess, run_in_worker
from tests.support.worker import worker_fixture  # noqa: F401


def whoever(number: int, *, more: int = 0) -> tuple[int, int]:
    """Asked of one process or the other."""
    return os.getpid(), number + more


def refuse(fault: type[Exception] | None) -> bool:
    if fault is not None:
        text = f"Not in {os.getpid()}."
        raise fault(text, code="not-here") if issubclass(fault, PachaError) else fault(text)
    return False


def hang() -> None:
    time.sleep(600)


def bequeath() -> int:
    """The process id of one of its own."""
    made = WorkerProcess.begin()
    assert made is not None
    return made._pid


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def wait_for_end(process: int) -> None:
    until = time.monotonic() + 10
    while is_alive(process):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_it_answers_one_after_the_other(worker: WorkerProcess) -> None:
    for number in range(3):
        assert run_in_worker(worker, whoever, number, more=1) == (worker._pid, number + 1)
    assert run_in_worker(worker, refuse, None) is False
    assert run_in_worker(None, whoever, 5) == (os.getpid(), 5)


def test_it_has_nothing_of_the_first_but_the_line(worker: WorkerProcess) -> None:
    run_in_worker(worker, whoever, 1)
    folder = f"/proc/{worker._pid}/fd"
    found = {name: os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}
    assert found.pop("3").startswith("socket:") and set(found.values()) == {"/dev/null"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """As nohup(1) wants it."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with WorkerProcess.start() as worker:
            assert worker is not None
            run_in_worker(worker, whoever, 1)
            os.kill(worker._pid, number)
            assert run_in_worker(worker, whoever, 1)[0] == worker._pid
    finally:
        signal.signal(number, before)


def test_whether_it_has_an_answer_is_told_without_waiting(worker: WorkerProcess) -> None:
    worker.ask(hang)
    assert not worker.answers()
    os.kill(worker._pid, signal.SIGKILL)
    os.waitid(os.P_PID, worker._pid, os.WEXITED | os.WNOWAIT)
    assert worker.answers() and worker.answer() is None, "its end is an answer too"


def test_what_it_cannot_do_is_done_here(worker: WorkerProcess) -> None:
    with pytest.raises(RuntimeError, match=f"^Not in {os.getpid()}"):
        run_in_worker(worker, refuse, RuntimeError)
    assert run_in_worker(worker, whoever, 1)[0] == worker._pid


def test_what_it_finds_wrong_is_not_looked_at_again(worker: WorkerProcess) -> None:
    with pytest.raises(UsageError, match=f"^Not in {worker._pid}"):
        run_in_worker(worker, refuse, UsageError)
    assert run_in_worker(worker, whoever, 1)[0] == worker._pid


def test_one_that_is_gone_is_done_without(worker: WorkerProcess) -> None:
    os.kill(worker._pid, signal.SIGKILL)
    assert run_in_worker(worker, whoever, 1) == (os.getpid(), 1)
    worker.end()
    assert run_in_worker(worker, whoever, 2) == (os.getpid(), 2)


def test_one_that_is_gone_while_it_answers(worker: WorkerProcess) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(pickle.dumps(list(range(1000)))[:-20])
    theirs.close()
    worker._line = ours.makefile("rwb")
    ours.close()
    assert run_in_worker(worker, whoever, 1) == (os.getpid(), 1)


@pytest.mark.slow
def test_nobody_waits_for_one_that_is_stopped(worker: WorkerProcess) -> None:
    run_in_worker(worker, whoever, 1)
    process = worker._pid
    os.kill(process, signal.SIGSTOP)
    assert run_in_worker(worker, whoever, 1) == (os.getpid(), 1)
    assert not is_alive(process)


@pytest.mark.slow
def test_nor_for_one_that_takes_nothing(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(module, "_TAKING", 1)
    worker = request.getfixturevalue("worker")
    os.kill(worker._pid, signal.SIGSTOP)
    assert run_in_worker(worker, len, bytes(1 << 22)) == 1 << 22


def test_nobody_waits_for_it_once_that_is_interrupted(worker: WorkerProcess) -> None:
    class Ended(BaseException):
        pass

    def end(number: int, frame: object) -> None:
        raise Ended

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    process = worker._pid
    try:
        with pytest.raises(Ended):
            run_in_worker(worker, hang)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not is_alive(process)
    assert run_in_worker(worker, whoever, 1) == (os.getpid(), 1)


def test_it_ends_with_the_first_whatever_it_does(worker: WorkerProcess) -> None:
    """One that was killed, and its own."""
    own = run_in_worker(worker, bequeath)
    assert is_alive(own)
    worker.ask(hang)
    os.kill(worker._pid, signal.SIGKILL)
    wait_for_end(own)


def test_it_ends_with_a_first_that_is_killed() -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", "from tests.unit.fetch.test_worker import *; print(bequeath(), flush=True); hang()"],
        cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert first.stdout is not None
    process = int(first.stdout.readline())
    assert is_alive(process)
    first.kill()
    first.communicate()
    wait_for_end(process)


def test_there_is_none_where_it_would_be_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(os, "fork", fork)
    assert WorkerProcess.begin() is None  # no room for a process
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert WorkerProcess.begin() is None
    monkeypatch.undo()
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert WorkerProcess.begin() is None


@pytest.mark.parametrize("fault", [MemoryError(), RuntimeError("can't start new thread")])
def test_no_memory_to_import_meanwhile(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def refuse(*given: object) -> None:
        raise fault

    if isinstance(fault, MemoryError):
        monkeypatch.setattr("builtins.__import__", refuse)
        module._import_mercurial()
    else:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        module.import_meanwhile()
