"""What modules without a console have to tell whoever asks for more (-v)."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[str], None]] = []


def listen(show: Callable[[str], None]) -> None:
    """From now on ``show`` is called with each detail: a line, safe to print."""
    _listeners[:] = [show]


def tell(text: str) -> None:
    """Pass on one detail; it is lost where nobody listens."""
    for show in _listeners:
        show(text)
