"""A worker process: it imports Mercurial while the first process does everything else, then reads beside it.

It is made before there are threads (fork(2) and they do not go together), so that it is ready by the time that
something has come from the master.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedRWPair
from typing import Any, ParamSpec, TypeVar

from pacha.errors import PachaError
from pacha.store import hg
from pacha.system import syscalls
from pacha.system.memory_limit import limit_memory

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


class WorkerProcess:
    """The second process. What it cannot do for want of something it leaves to the first."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self._pid = pid
        self._line = line.makefile("rwb")
        line.close()

    @classmethod
    def begin(cls) -> WorkerProcess | None:
        """Make it; None where there is one processor, a thread beside this one, or no room for a process."""
        if len(os.sched_getaffinity(0)) < 2 or threading.active_count() > 1:
            return None
        parent = os.getpid()
        try:
            ours, theirs = socket.socketpair()
        except OSError:  # as many descriptors as there may be
            return None
        try:
            pid = os.fork()
        except OSError:  # as many processes as the account may have
            ours.close()
            theirs.close()
            return None
        if pid == 0:
            try:
                _work(theirs, parent)
            finally:
                os._exit(0)
        theirs.close()
        return cls(pid, ours)

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[WorkerProcess | None]:
        """``begin`` it, and end it in the end."""
        worker = cls.begin()
        try:
            yield worker
        finally:
            if worker:
                worker.end()

    def ask(self, function: Callable[_Given, object], *given: _Given.args, **named: _Given.kwargs) -> None:
        """Let it call ``function``, which is one of a module; its result, which is not None, is the ``answer``."""
        with suppress(OSError, ValueError):  # it is gone: so the answer says
            pickle.dump((function, given, named), self._line)
            self._line.flush()

    def answer(self) -> Any:
        """What came of it, None when it was not done; raises what PachaError that raised.

        One who cannot wait for it has to ``end`` it.
        """
        try:
            done = pickle.load(self._line)  # noqa: S301 - from nobody but ourselves
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):  # killed, even while it answered, or ended
            return None
        if isinstance(done, PachaError):
            raise done
        return done

    def end(self) -> None:
        """End it, whatever it does."""
        pid, self._pid = self._pid, 0
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            with suppress(OSError):
                self._line.close()


def run_in_worker(
    worker: WorkerProcess | None, function: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
) -> _Result:
    """What ``function`` gives: the ``worker`` process is asked first. Raises what it raises."""
    if worker is not None:
        try:
            worker.ask(function, *given, **named)
            done: _Result | None = worker.answer()
        except PachaError:
            raise
        except BaseException:
            worker.end()
            raise
        if done is not None:
            return done
    return function(*given, **named)


def import_meanwhile() -> None:
    """Import Mercurial here while the line is waited for; where that cannot be, who needs it is told."""
    with suppress(RuntimeError):  # too little memory for a thread
        threading.Thread(target=_import_mercurial, daemon=True).start()


def _import_mercurial() -> None:
    with suppress(Exception):
        hg.load()


def _work(line: socket.socket, parent: int) -> None:
    """In the second process: keep nothing of the first's but the line, and do what is asked until that ends."""
    syscalls.end_with_parent(parent)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup(1) is to stay in force
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.dup2(line.fileno(), 3)
    for other in map(int, os.listdir("/proc/self/fd")):  # the lock among them, which must end with the first
        if other > 3:
            with suppress(OSError):  # that of the list itself
                os.close(other)
    with socket.socket(fileno=3) as kept, kept.makefile("rwb") as stream:
        _serve(stream)


def _serve(stream: BufferedRWPair) -> None:

    hg.enable_lazy_imports()
    hg.load()
    while request := pickle.load(stream):  # noqa: S301
        function, given, named = request
        pickle.dump(_done(function, *given, **named), stream)
        stream.flush()


def _done(function: Callable[_Given, object], *given: _Given.args, **named: _Given.kwargs) -> object:
    with suppress(Exception):
        try:
            with limit_memory():
                return function(*given, **named)
        except PachaError as error:
            return error
    return None
