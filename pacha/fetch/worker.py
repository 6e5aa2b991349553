"""A worker process: it imports Mercurial while the first process does everything else, then works beside it.

It is forked before there are threads, as fork(2) requires, and is ready by the time that the master has sent something.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from pacha.errors import PachaError
from pacha.store import hg
from pacha.system import syscalls
from pacha.system.memory_limit import limit_memory

_GLANCE = 1000  #: milliseconds between two checks whether it is stopped (SIGSTOP)
_TAKING = 60  #: seconds in which it has to accept a request; it may import Mercurial first

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class WorkerProcess:
    """The second process. What it fails to do for lack of resources is left to the first."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self._pid = pid
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _TAKING, 0))
        self._fd, self._line = line.fileno(), line.makefile("rwb")
        line.close()

    @classmethod
    def begin(cls, *, load: bool = True) -> WorkerProcess | None:
        """Fork it; None on a single processor, beside other threads, or if fork fails.

        ``load``: it imports Mercurial at once.
        """
        if len(os.sched_getaffinity(0)) < 2 or threading.active_count() > 1:
            return None
        parent = os.getpid()
        try:
            own_end, worker_end = socket.socketpair()
        except OSError:  # no descriptor is left
            return None
        try:
            pid = os.fork()
        except OSError:  # no process is left
            own_end.close()
            worker_end.close()
            return None
        if pid == 0:
            try:
                _work(worker_end, parent, load=load)
            finally:
                os._exit(0)
        worker_end.close()
        return cls(pid, own_end)

    @classmethod
    @contextmanager
    def start(cls, *, load: bool = True) -> Iterator[WorkerProcess | None]:
        """``begin`` it, and end it after the body."""
        worker = cls.begin(load=load)
        try:
            yield worker
        finally:
            if worker:
                worker.end()

    def ask(self, function: Callable[_Args, object], *args: _Args.args, **kwargs: _Args.kwargs) -> None:
        """Let it call ``function``, of a module's top level. Its result, which is not None, is the ``answer``."""
        try:
            pickle.dump((function, args, kwargs), self._line)
            self._line.flush()
        except (OSError, ValueError):  # it has ended, or takes nothing: the answer is None then
            self.end()

    def answers(self, milliseconds: int = 0) -> bool:
        """Whether it has answered or ended, or does so within ``milliseconds``."""
        line = select.poll()
        line.register(self._fd, select.POLLIN)
        return bool(line.poll(milliseconds))

    def answer(self) -> Any:
        """The result; None if it ended without one. Raises the PachaError that the function raised.

        A caller that does not wait for the answer has to ``end`` the process. Ends one that somebody stopped.
        """
        while self._pid and not self.answers(_GLANCE):
            if os.waitid(os.P_PID, self._pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT):
                self.end()
        try:
            result = pickle.load(self._line)  # noqa: S301 - from our own process
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):  # it ended, perhaps while it answered
            return None
        if isinstance(result, PachaError):
            raise result
        return result

    def end(self) -> None:
        """Kill it."""
        pid, self._pid = self._pid, 0
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            with suppress(OSError):
                self._line.close()


def run_in_worker(
    worker: WorkerProcess | None, function: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs
) -> _Result:
    """The result of ``function``, from the ``worker`` if possible, else from this process. Raises what it raises."""
    if worker is not None:
        try:
            worker.ask(function, *args, **kwargs)
            result: _Result | None = worker.answer()
        except PachaError:
            raise
        except BaseException:
            worker.end()
            raise
        if result is not None:
            return result
    return function(*args, **kwargs)


def import_meanwhile() -> None:
    """Import Mercurial in a thread while the master is waited for; an error shows where it is needed."""
    with suppress(RuntimeError):  # too little memory for a thread
        threading.Thread(target=_import_mercurial, daemon=True).start()


def _import_mercurial() -> None:
    with suppress(Exception):
        hg.load()


def _work(line: socket.socket, parent: int, *, load: bool) -> None:
    """In the second process: close all descriptors but ``line``, and serve requests until it ends."""
    syscalls.end_with_parent(parent)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # keep what nohup(1) set
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    os.dup2(line.fileno(), 3)
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # also the lock, which must not outlive the first
        if descriptor > 3:
            with suppress(OSError):  # the descriptor of the list itself
                os.close(descriptor)
    with socket.socket(fileno=3) as connection, connection.makefile("rwb") as stream:
        if load:
            hg.enable_lazy_imports()
            hg.load()
        while request := pickle.load(stream):  # noqa: S301
            function, args, kwargs = request
            pickle.dump(_done(function, *args, **kwargs), stream)
            stream.flush()


def _done(function: Callable[_Args, object], *args: _Args.args, **kwargs: _Args.kwargs) -> object:
    with suppress(Exception):
        try:
            with limit_memory():
                return function(*args, **kwargs)
        except PachaError as error:
            return error
    return None
