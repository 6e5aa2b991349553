"""Start work in threads that the end of the process does not wait for, unlike those of a pool."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

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

    threading.Thread(target=call, daemon=True).start()
    return future
