"""Run Python as Pacha needs it: file names keep their bytes in every locale, and Mercurial has its docstrings."""

from __future__ import annotations

import codecs
import itertools
import os
import sys
from _locale import CODESET, nl_langinfo
from collections.abc import MutableMapping, Sequence
from typing import TextIO

_OPTIMIZE = "PYTHONOPTIMIZE"
_WITHOUT_DOCSTRINGS = 2  #: sys.flags.optimize (python(1), -OO)


def restart_if_needed() -> None:
    """Replace this process by one whose Python is in UTF-8 mode and has docstrings, unless this one is and has.

    In other encodings, such as EUC-JP or Big5, decoding a file name is not reversible (PEP 540). Without docstrings,
    Mercurial cannot be imported.
    """
    command = command_of_restart(_command_line(), os.environ)
    if command:
        os.execv(sys.executable, command)  # noqa: S606


def command_of_restart(line: Sequence[bytes], environment: MutableMapping[str, str]) -> list[bytes]:
    """Return the command that runs the command ``line`` again with the right options; [] if it has them already.

    Remove Python's option -OO, and change PYTHONOPTIMIZE in ``environment``.
    """
    given = environment.get(_OPTIMIZE)
    options = [] if sys.getfilesystemencoding() == "utf-8" else [b"-X", b"utf8"]
    own = list(itertools.takewhile(lambda word: word[:1] == b"-" and word[:2] not in (b"-c", b"-m"), line[1:]))
    kept = own
    if sys.flags.optimize >= _WITHOUT_DOCSTRINGS:
        kept = [word for word in own if word.strip(b"O") != b"-"]
        environment[_OPTIMIZE] = "1"
    is_other = options or kept != own or environment.get(_OPTIMIZE) != given
    return [line[0], *options, *kept, *line[1 + len(own) :]] if is_other else []


def fit_streams() -> None:
    """Let stdout and stderr escape each character that the terminal's encoding does not have, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        _fit(stream, nl_langinfo(CODESET))


def _fit(stream: TextIO, encoding: str) -> None:
    """Let ``stream`` use the locale's ``encoding``, unless that is ASCII or unknown to Python."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        name = "ascii"
    reconfigure = getattr(stream, "reconfigure", None)  # a test's stream may be another
    if reconfigure is not None:
        reconfigure(errors="backslashreplace", **({} if name == "ascii" else {"encoding": name}))


def _command_line() -> list[bytes]:
    """Return this process's command line as bytes, which decoding and encoding might change."""
    try:
        with open("/proc/self/cmdline", "rb") as stream:
            return stream.read().split(b"\0")[:-1]
    except OSError:
        return [os.fsencode(word) for word in sys.orig_argv]
