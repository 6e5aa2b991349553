"""Show at a terminal what is being done, and its seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from pacha.system.activity import begin, current
from pacha.system.waits import longest_wait
from pacha.ui.console import columns_of_errors, size_text

_AFTER = 2.0  #: seconds before it appears
_EVERY = 1.0
_LONG = 5.0  #: seconds from which on a master is waited for


@contextmanager
def waiting(text: str = "", *, quiet: bool = False, after: float = _AFTER, every: float = _EVERY) -> Iterator[None]:
    """Show ``text`` and the seconds that the body takes on stderr, if that is a terminal; remove it at the end.

    It appears ``after`` so many seconds, and changes ``every`` so many. It also shows what is being done, how far that
    is, and a master that is waited for; only these if ``text`` is "", for commands that print as they go.
    """
    if quiet or not sys.stderr.isatty():
        yield
        return
    begin("")
    ended = threading.Event()
    thread = threading.Thread(target=_tick, args=(text, ended, after, every), daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread is left: then nothing is shown
        yield
        return
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _tick(text: str, ended: threading.Event, after: float, every: float) -> None:
    began, width = time.monotonic(), 0
    while not ended.wait(every if width else after):
        doing = _doing(with_seconds=not text)
        own = ": ".join(filter(None, [f"{text} ({time.monotonic() - began:.0f} s)" if text else "", doing]))
        whom, seconds = longest_wait()
        wait = f"waiting for {whom} for {seconds:.0f} s" if seconds >= _LONG else ""
        shown = ", ".join(filter(None, [own, wait]))[: columns_of_errors() - 1]  # a line that wraps would stay
        if shown or width:
            end = "" if text else "\r"  # the next line that is printed begins where this one does
            click.echo(f"\r{shown:<{width}}{end}", nl=False, err=True)
        width = len(shown)
    if width:
        click.echo(f"\r{' ' * width}\r", nl=False, err=True)


def clear() -> None:
    """Remove what is shown, before a line is printed in its place."""
    if sys.stderr.isatty():
        click.echo(f"\r{' ' * (columns_of_errors() - 1)}\r", nl=False, err=True)


def _doing(*, with_seconds: bool) -> str:
    """How far what is being done is, and what that is, which may be too long for a line; "" for nothing."""
    now = current()
    if not now.what:
        return ""
    far = f"{now.counted} of {now.total}" if now.total else f"{now.counted} so far" if now.counted else ""
    seconds = f"{time.monotonic() - now.began:.0f} s" if with_seconds else ""
    amount = f"{size_text(now.size)} ({size_text(int(now.rate))}/s)" if now.size else ""
    return ", ".join(filter(None, [seconds, far, amount, now.what]))
