"""Pass details from modules that have no console to a user who asked for them (-v)."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[str], None]] = []


def listen(show: Callable[[str], None]) -> None:
    """From now on ``show`` is called with each detail: a line, safe to print."""
    _listeners[:] = [show]


def tell(text: str) -> None:
    """Pass one detail to the listener; without one it is lost."""
    for show in _listeners:
        show(text)
