"""Start work in daemon threads: unlike with a thread pool, the process does not wait for them when it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from pacha.errors import no_more_processes

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


def start(function: Callable[_Args, _Result], *args: _Args.args, **named: _Args.kwargs) -> Future[_Result]:
    """Call ``function`` in a thread of its own; the future gets what it returns or raises.

    The process can end while the thread still runs: Ctrl-C does not wait for a silent master. Raises PachaError.
    """
    future = Future[_Result]()

    def call() -> None:
        try:
            future.set_result(function(*args, **named))
        except BaseException as error:
            future.set_exception(error)

    begin(threading.Thread(target=call, daemon=True))
    return future


def begin(thread: threading.Thread) -> None:
    """Start ``thread``, which was not started before. Raises PachaError where the system starts no more threads."""
    try:
        thread.start()
    except RuntimeError:  # for a thread that was not started before, it has no other meaning
        raise no_more_processes() from None
