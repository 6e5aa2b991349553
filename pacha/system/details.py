"""Pass details from modules that have no console to a user who asked for them (-v)."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[str], None]] = []


def listen(show: Callable[[str], None]) -> None:
    """From now on, call ``show`` with each detail: a line (str, safe to print)."""
    _listeners[:] = [show]


def tell(text: str) -> None:
    """Pass a detail to the listener; without a listener it is lost."""
    for show in _listeners:
        show(text)
