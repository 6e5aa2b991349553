"""Start work in threads that nobody has to wait for at the end, as a pool's would be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

_What = ParamSpec("_What")
_Result = TypeVar("_Result")


def start(function: Callable[_What, _Result], *args: _What.args, **named: _What.kwargs) -> Future[_Result]:
    """Call ``function`` in a thread of its own; what it returns or raises is the future's.

    It does not hold up the end of the process, however long it would take: somebody who presses Ctrl-C does not wait
    for a master that is silent.
    """
    future = Future[_Result]()

    def call() -> None:
        try:
            future.set_result(function(*args, **named))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future
