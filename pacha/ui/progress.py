"""Show received files: a line for each, or one bar for many."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import click

from pacha.ui.console import at_terminal, columns, file_line, size_text

_MANY = 300  #: files; more lines than that nobody reads
_REDRAWN = 200  #: redraws of a bar from start to end
_LATEST = 0.05  #: seconds for which lines are buffered: printing thousands singly takes longer than receiving them

if TYPE_CHECKING:
    from pacha.wire.scp import Received


class Style(Enum):
    """How to show received files. AUTO: lines, or a bar for many files at a terminal."""

    AUTO = "auto"
    LINES = "lines"
    BAR = "bar"
    NONE = "none"


class Progress:
    """Shows the files of one transfer: lines through ``say``, the bar on stderr. A context manager."""

    def __init__(self, style: Style, say: Callable[[str], None], *, quiet: bool = False) -> None:
        self._style = Style.NONE if quiet else style
        self._say = say
        self._bar: Any = None
        self._lines: list[str] = []
        self._said, self._columns, self._at_terminal = 0.0, columns(), at_terminal()
        self._bytes, self._began = 0, time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def expect(self, files: int) -> None:
        """Announce about how many files will be received."""
        many = self._style is Style.AUTO and files > _MANY and at_terminal() and sys.stderr.isatty()
        if (self._style is Style.BAR or many) and self._bar is None:
            self._bytes, self._began = 0, time.monotonic()
            self._bar = click.progressbar(
                length=files, label="Fetching", width=0, file=sys.stderr, show_percent=True,
                item_show_func=self._rate, update_min_steps=files // _REDRAWN + 1,
            ).__enter__()  # fmt: skip

    def file(self, received: Received) -> None:
        """Show a received file."""
        if self._bar is not None:
            self._bytes += received.size
            self._bar.update(1, received)
        elif self._style in (Style.AUTO, Style.LINES):
            line = file_line(os.path.basename(received.name), received.size, received.seconds, self._columns)
            # Trailing blanks would not fit the terminal.
            self._lines.append(line.rstrip() if self._at_terminal else line)
            if time.monotonic() - self._said > _LATEST:
                self._say_lines()

    def _say_lines(self) -> None:
        lines, self._lines, self._said = self._lines, [], time.monotonic()
        if lines:
            self._say("\n".join(lines))

    def finish(self) -> None:
        """Print buffered lines; leave the bar and go to the next line."""
        self._say_lines()
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.render_finish()

    def _rate(self, received: Received | None) -> str:
        seconds = max(time.monotonic() - self._began, 0.001)
        return f"{size_text(int(self._bytes / seconds))}/s" if received else ""
