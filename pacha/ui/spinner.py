"""Show at a terminal what is being done, and for how long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

_AFTER = 2.0  #: seconds in which nobody wonders yet
_EVERY = 1.0


@contextmanager
def waiting(what: str, *, quiet: bool = False, after: float = _AFTER, every: float = _EVERY) -> Iterator[None]:
    """Show ``what`` and the seconds that it takes on stderr, if that is a terminal; nothing of it stays.

    It begins ``after`` so many seconds, and changes ``every`` so many.
    """
    if quiet or not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_tick, args=(what, ended, after, every), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tick(what: str, ended: threading.Event, after: float, every: float) -> None:
    began, shown = time.monotonic(), ""
    while not ended.wait(every if shown else after):
        shown = f"{what} ({time.monotonic() - began:.0f} s)"
        click.echo(f"\r{shown}", nl=False, err=True)
    if shown:
        click.echo(f"\r{' ' * len(shown)}\r", nl=False, err=True)
