"""Show at a terminal what is being done, and its seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

_AFTER = 2.0  #: seconds before it appears
_EVERY = 1.0


@contextmanager
def waiting(text: str, *, quiet: bool = False, after: float = _AFTER, every: float = _EVERY) -> Iterator[None]:
    """Show ``text`` and the seconds that the body takes on stderr, if that is a terminal; remove it at the end.

    It appears ``after`` so many seconds, and changes ``every`` so many.
    """
    if quiet or not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_tick, args=(text, ended, after, every), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tick(text: str, ended: threading.Event, after: float, every: float) -> None:
    began, shown = time.monotonic(), ""
    while not ended.wait(every if shown else after):
        shown = f"{text} ({time.monotonic() - began:.0f} s)"
        click.echo(f"\r{shown}", nl=False, err=True)
    if shown:
        click.echo(f"\r{' ' * len(shown)}\r", nl=False, err=True)
