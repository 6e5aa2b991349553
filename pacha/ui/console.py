"""Print for a person: lines, concerns, errors, the boxed warning. Never a raw control byte."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from pacha.errors import Concern, PachaError
from pacha.text import escape, printable

if TYPE_CHECKING:
    from pacha.store.snapshot import Changes

_UNITS = (("  ", 1), ("KB", 1 << 10), ("MB", 1 << 20), ("GB", 1 << 30), ("TB", 1 << 40))
_RATES = _UNITS[1:]  #: the units of a rate
_WIDTH = 80  #: columns of a terminal of unknown width
_NAME_WIDTH = 48  #: columns of the name of a file
_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_NO_CONFIG = """\
+-----------------------------------------------------------------+
|                       W A R N I N G                             |
|                                                                 |
|  Pacha has no configuration on this machine.                    |
|                                                                 |
|  Let Pacha write one:                                           |
|      pacha init                                                 |
|  or write it (pacha.conf.example shows every key), then either  |
|  put it where Pacha looks for it:                               |
|      {place:<59}|
|  or tell Pacha where it is:                                     |
|      pacha add-config FILE                                      |
+-----------------------------------------------------------------+"""


class Console:
    """Prints to the terminal: with ``quiet`` only problems, with ``verbose`` more."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self.quiet = quiet
        self.verbose = verbose

    def say(self, text: str) -> None:
        """Print a line, unless quiet."""
        if not self.quiet:
            click.echo(text)

    def tell(self, text: str) -> None:
        """Print a sentence, unless quiet; at a terminal, wrapped between words."""
        self.say(wrapped("", text, 4) if at_terminal() else text)

    def say_meanwhile(self, text: str) -> None:
        """Print a line of progress, for a person: on stderr, unless stdout is a terminal."""
        if not self.quiet:
            click.echo(text, err=not at_terminal())

    def detail(self, text: str) -> None:
        """Print a line, if verbose."""
        if self.verbose and not self.quiet:
            click.echo(text)

    def confirm(self, about: str) -> None:
        """Show what is about to be done and wait for Enter. Raises PachaError for any other answer."""
        click.echo(f"{about}\nHit Enter to confirm or Ctrl-C to cancel")
        answer = sys.stdin.readline()
        if not answer:
            raise PachaError(
                "Nothing was done.",
                "there was nobody to confirm it",
                "Use --yes where nobody is asked.",
                code="not-confirmed",
            )
        if answer.strip().lower() not in ("", "y", "yes"):
            typed = escape(os.fsencode(answer.strip()[:40]))
            raise PachaError(
                "Nothing was done.",
                f"'{typed}' was typed, not Enter alone",
                "Run it again to be asked again.",
                code="not-confirmed",
            )

    def changes(self, changes: Changes) -> None:
        """Print every changed path of a snapshot: A added, M changed, R removed, m metadata."""
        groups = {"A": changes.added, "M": changes.content, "R": changes.removed, "m": changes.metadata}
        for letter, paths in groups.items():
            for path in paths:
                self.detail(f"{letter} {escape(path)}")

    def concerns(self, concerns: Iterable[Concern]) -> None:
        """Print concerns on stderr."""
        for concern in concerns:
            _complain("pacha: ", f"{escape(concern.path)}: {concern.reason}")

    def warn(self, text: str) -> None:
        """Print one line on stderr."""
        self.problems([text])

    def problems(self, lines: Iterable[str]) -> None:
        """Print problems on stderr."""
        for line in lines:
            _complain("pacha: ", line)

    def failures(self, failures: Iterable[tuple[str, PachaError]]) -> None:
        """Print the masters that a push did not bring up to date, and why."""
        for name, failure in failures:
            why = f"{failure.in_a_line}{self._code_of(failure)}"
            self.error(PachaError(f"{name} was not brought up to date.", why, failure.hint, code="master-not-updated"))

    def error(self, error: PachaError) -> None:
        """Print what failed, why, and what to do next: a line each, on stderr."""
        message = f"{error.message}{self._code_of(error)}"
        for start, text in (("pacha: ", message), ("       ", error.why), ("       ", error.hint)):
            if text:
                _complain(start, text)

    def _code_of(self, error: PachaError) -> str:
        """The code, if verbose; docs/errors.rst explains it."""
        return f" [{error.code}]" if self.verbose else ""


def _complain(start: str, text: str) -> None:
    folds = sys.stderr.isatty()
    click.echo(wrapped(start, text, width=columns_of_errors()) if folds else start + text, err=True)


def print_json(values: object, indent: int = 1) -> None:
    """Print JSON, for programs."""
    click.echo(json.dumps(values, indent=indent))


def at_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def is_coloured() -> bool:
    """Whether to print colours (https://no-color.org/)."""
    return at_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, colour: str | None) -> str:
    """``text`` in one of click's colours, or "bold"; unchanged where colours are off."""
    if colour is None or not is_coloured():
        return text
    return click.style(text, bold=True) if colour == "bold" else click.style(text, fg=colour)


def content_line(line: bytes) -> str:
    """A line of content, or of its diff, without its end; safe to print."""
    return printable(line.rstrip(b"\n").decode("utf-8", "surrogateescape"), keep="\t")


def diff_line(text: str) -> str:
    """A line of a unified diff in its colour."""
    return styled(text, _DIFF_COLOURS.get(text[:1]))


def columns() -> int:
    """The width of the terminal; 80 where there is none."""
    return shutil.get_terminal_size().columns if at_terminal() else _WIDTH


def columns_of_errors() -> int:
    """The width of the terminal on stderr; 80 where that is unknown."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except OSError:
        return _WIDTH


def wrapped(start: str, text: str, indent: int = 0, width: int = 0) -> str:
    """Wrap ``start`` and ``text`` to ``width`` columns (0: the terminal's), never within a word: it may be copied."""
    return textwrap.fill(
        text, width or columns(), initial_indent=start, subsequent_indent=" " * (indent or len(start)),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def no_config(place: str) -> str:
    """The boxed warning; ``place`` is the path where Pacha looks for a configuration."""
    return _NO_CONFIG.format(place=place)


def file_line(name: bytes, size: int, seconds: float, width: int = _WIDTH) -> str:
    """``name 100% size rate time`` in the columns of scp(1): ``size`` in bytes, the rate in units a second.

    ``width`` is that of the terminal, which the line fills.
    """
    room = max(16, _NAME_WIDTH + width - _WIDTH)
    number, unit = _scaled(size)
    rate = size / max(seconds, 0.001)
    rate_unit, scale = next((unit for unit in _RATES if rate < unit[1] * 1000), _RATES[-1])
    text = escape(name)
    text = text if len(text) <= room else text[: room - 3] + "..."
    minutes, left = divmod(int(seconds + 0.5), 60)
    speed = f"{rate / scale:.1f}{rate_unit}/s"
    return f"{text:<{room}} 100% {number:>4}{unit}{speed:>10}   {minutes:02d}:{left:02d}    "


def size_text(size: int) -> str:
    """``size`` bytes for people."""
    number, unit = _scaled(size)
    return f"{number} {unit.strip() or 'bytes'}"


def _scaled(size: int) -> tuple[int, str]:
    for unit, scale in _UNITS:
        if size < 10000 * scale:
            return size // scale if scale == 1 else round(size / scale), unit
    return round(size / _UNITS[-1][1]), _UNITS[-1][0]


def folded(start: str, text: str) -> str:
    return wrapped(start, text, 14) if at_terminal() else start + text
