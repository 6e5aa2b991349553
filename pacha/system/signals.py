"""Signals that end a command: each raises Signalled in the main thread at once, even while that waits."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

from pacha.errors import Signalled

_ONCE_SECONDS = 2.0
_SOON_SECONDS = 0.1
_IMPORTING = "<frozen importlib._bootstrap>"  #: the file of Python's own code for an import

_holding = False
_held: list[int] = []  #: signals that came while they were held


@contextmanager
def held() -> Iterator[None]:
    """Hold signals back until the end of the body, which must be short. Raises Signalled after it if one came."""
    global _holding
    _holding = True
    try:
        yield
    finally:
        _holding = False
        if _held:
            raise Signalled(_held.pop())


def listen() -> None:
    """Make SIGINT, SIGTERM and SIGHUP raise Signalled, at most once in two seconds; reset SIGCHLD.

    A terminal that closes sends several signals: a second one would interrupt the clean-up after the first.
    """
    listener = _Listener(sys._getframe(1))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # respect nohup(1)
            signal.signal(number, listener.handle)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # an inherited SIG_IGN would hide the status of our children
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    os.register_at_fork(after_in_child=partial(signal.set_wakeup_fd, -1))  # the pipe is the parent's
    main = threading.main_thread().ident or 0
    with suppress(RuntimeError):  # the system starts no more threads: most signals are handled without this one
        # Not threading.Thread: it holds no lock, so that forking stays safe.
        _thread.start_new_thread(listener.insist, (readable, main))


class _Listener:
    """Handles the signals of a process. ``caller`` is the frame that began to listen."""

    def __init__(self, caller: FrameType) -> None:
        self._caller = caller
        self._heard = 0  #: how often ``handle`` ran outside of an import
        self._last = -_ONCE_SECONDS

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Raise Signalled in the main thread, or hold the signal back."""
        if self._is_importing(frame):
            return  # the signal comes again
        self._heard += 1
        before, self._last = self._last, time.monotonic()
        if self._last - before > _ONCE_SECONDS:
            if not _holding:
                raise Signalled(number)
            _held.append(number)

    def insist(self, readable: int, main: int) -> None:
        """Send each signal that arrives in ``readable`` to the thread ``main`` again, until that handles it.

        Python runs its handler between two bytecodes. A signal that comes just before a thread waits for a lock is too
        late to be handled before the wait, and too early to end it (library/signal, "Execution of Python signal
        handlers").
        """
        seen = 0
        while arrived := os.read(readable, 64):
            time.sleep(_SOON_SECONDS)
            missed = self._heard == seen
            while self._heard == seen:
                signal.pthread_kill(main, arrived[0])
                time.sleep(_SOON_SECONDS)
            seen = self._heard
            if missed:
                os.read(readable, 64)  # the repeated signals arrived here as well

    def _is_importing(self, frame: FrameType | None) -> bool:
        """Whether ``frame``, or a frame between it and the caller, is an import.

        An exception in an import may leave its lock held, or become another exception where a class is created.
        """
        while frame is not None and frame is not self._caller:
            if frame.f_code.co_filename == _IMPORTING:
                return True
            frame = frame.f_back
        return False
