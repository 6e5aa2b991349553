"""Start work in threads that the end of the process does not wait for, unlike those of a pool."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

from pacha.errors import no_more_processes

_What = ParamSpec("_What")
_Result = TypeVar("_Result")


def start(function: Callable[_What, _Result], *args: _What.args, **named: _What.kwargs) -> Future[_Result]:
    """Call ``function`` in a thread of its own; the future gets what it returns or raises.

    The process can end while the thread still runs: Ctrl-C does not wait for a silent master.
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
    """Start a new ``thread``. Raises PachaError where the system starts no more of them."""
    try:
        thread.start()
    except RuntimeError:  # the only one that a thread raises that was not started yet
        raise no_more_processes() from None
