"""Signals that end a command: each raises Signalled in the main thread, at once, even while it waits."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from functools import partial

from pacha.errors import Signalled

_ONCE_SECONDS = 2.0
_SOON_SECONDS = 0.1


def listen() -> None:
    """From now on SIGINT, SIGTERM and SIGHUP raise Signalled, but not again within a moment; SIGCHLD is as usual.

    A terminal that closes sends more than one, and the second would come into the clean-up after the first.
    """
    last = -_ONCE_SECONDS
    heard = 0

    def end(number: int, _frame: object) -> None:
        nonlocal last, heard
        heard += 1
        before, last = last, time.monotonic()
        if last - before > _ONCE_SECONDS:
            raise Signalled(number)

    def insist() -> None:
        """Send again what the main thread does not see: it had just begun to wait when the signal came.

        Python's handler runs between two of its steps. Where threads change places before a lock is waited for, a
        signal can come too late for the step before and too early to wake the wait (library/signal, "Execution of
        Python signal handlers").
        """
        seen = 0
        while arrived := os.read(readable, 64):
            time.sleep(_SOON_SECONDS)
            missed = heard == seen
            while heard == seen:
                signal.pthread_kill(main, arrived[0])
                time.sleep(_SOON_SECONDS)
            seen = heard
            if missed:
                os.read(readable, 64)  # what was sent again came in here as well

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup(1) is to stay in force
            signal.signal(number, end)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else it is inherited: how our own processes ended would be lost
    main = threading.main_thread().ident or 0
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    os.register_at_fork(after_in_child=partial(signal.set_wakeup_fd, -1))  # the pipe is the parent's
    _thread.start_new_thread(insist, ())  # holds no lock: it is none of those that forbid to fork
