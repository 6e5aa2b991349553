"""The process: set up streams and signals, run a command, exit with its code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType, TracebackType
from typing import NoReturn

import pacha

#: New objects before the first garbage collection. Imports leave no garbage, and looking for it costs a quarter of
#: the time of importing Mercurial. ``store.hg.frequent_gc`` collects more often where there is some.
_GARBAGE = 200_000


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: run a command, print what went wrong, exit with the code of the table."""
    sys.excepthook = _tell
    words = list(sys.argv[1:] if arguments is None else arguments)
    _open_closed_streams()
    os.umask(os.umask(0o077) & 0o077)  # one that takes from the owner would lock us out of what we make
    if words == ["--version"]:  # without click, whose import takes four times as long as Python itself
        with suppress(OSError):  # the ordinary way says why it cannot be said
            os.write(sys.stdout.fileno(), f"Pacha {pacha.__version__}\n".encode())
            return
    from pacha.errors import Signalled  # --version does without these
    from pacha.system import descriptors, interpreter, signals

    if arguments is None:
        interpreter.restart_if_needed()
    interpreter.fit_streams()
    descriptors.allow_all()
    gc.set_threshold(_GARBAGE)
    sys.unraisablehook = lambda _fault: None  # what fails while something else is cleaned up (a full disk)
    try:
        signals.listen()
        code = run(words)
    except Signalled as ended:
        code = int(_exit_codes().explain_signal(ended))
    _leave(code)


def _tell(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """As Python tells of a fault, but nothing of a Ctrl-C that comes before signals are heard: that ends it."""
    if kind is not KeyboardInterrupt:
        sys.__excepthook__(kind, fault, trace)


def _leave(code: int) -> NoReturn:
    """End without Python's own tidying up.

    It aborts the process where a thread, such as one that waits for a silent master, is inside a library then; and
    what is left to tidy up ends with the process.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed, or nobody reads it: that was said where it mattered
            stream.flush()
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run a command; returns the exit code, having printed what went wrong."""
    failure = None
    if arguments[:1] == ["serve"]:
        try:
            from pacha.server import command_line  # without the modules of the other commands

            if (served := command_line.run(arguments)) is not None:  # None where it is spelt in another way
                return served
        except Exception as error:
            failure = error
    return int(_exit_codes().run_command(arguments, failure))


def _exit_codes() -> ModuleType:
    """The module ``cli.exit_code``, only now that signals are heard: it imports all that a command needs."""
    from pacha.cli import exit_code

    return exit_code


def _open_closed_streams() -> None:
    """/dev/null for each of the standard streams that is closed: no file that is opened later takes its number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    main()
