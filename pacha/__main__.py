"""The process: its streams and signals, the one place that prints errors and exits."""

from __future__ import annotations

import gc
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, NoReturn

import pacha

if TYPE_CHECKING:
    from pacha.errors import PachaError, Signalled

#: New objects before the first garbage collection. Imports leave no garbage, and looking for it costs a quarter of
#: the time of importing Mercurial. ``store.hg.frequent_gc`` collects more often where there is some.
_GARBAGE = 50_000
_OPTIONS_WITH_VALUE = ("--config",)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script: run a command, print what went wrong, exit with the code of the table."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _open_closed_streams()
    if words == ["--version"]:  # without click, whose import takes four times as long as Python itself
        with suppress(OSError):  # the ordinary way says why it cannot be said
            os.write(sys.stdout.fileno(), f"Pacha {pacha.__version__}\n".encode())
            return
    _allow_depth()
    gc.set_threshold(_GARBAGE)
    sys.unraisablehook = lambda _fault: None  # what fails while something else is cleaned up (a full disk)
    from pacha.errors import Signalled
    from pacha.system import signals  # now: nothing is imported while something is interrupted

    try:
        signals.listen()
        code = run(words)
    except Signalled as ended:
        code = _signalled(ended)
    _leave(code)


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
    import click

    from pacha.cli import cli
    from pacha.errors import OF_THE_SYSTEM, ExitCode, PachaError, Signalled

    try:
        result = cli.main(args=spelt_as_command(arguments), prog_name="pacha", standalone_mode=False)
        sys.stdout.flush()
        return int(result or 0)
    except PachaError as error:
        _show(error, verbose=asks_for_more(arguments))
        return int(error.exit_code)
    except click.ClickException as error:
        error.show()
        return int(ExitCode.USAGE)
    except (click.exceptions.Exit, SystemExit) as ended:
        return int(getattr(ended, "exit_code", None) or getattr(ended, "code", None) or 0)
    except (click.Abort, KeyboardInterrupt):
        return _signalled(Signalled(signal.SIGINT))
    except BrokenPipeError:
        return _signalled(Signalled(signal.SIGPIPE))
    except OSError as refused:
        if refused.errno not in OF_THE_SYSTEM:
            return _own_fault(refused)
        _show(_refusal(refused), verbose=asks_for_more(arguments))
        return int(ExitCode.FAILED)
    except Exception as fault:  # a fault of Pacha's own: said in one line, the rest goes where it can be found
        return _own_fault(fault)


def _open_closed_streams() -> None:
    """/dev/null for each of the standard streams that is closed: no file that is opened later takes its number."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Let go of what a standard stream does not take: the interpreter flushes once more when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show(error: PachaError, *, verbose: bool) -> None:
    from pacha.ui.console import Console

    with suppress(OSError):  # nobody can be told then; the exit code still says it
        Console(verbose=verbose).error(error)
    _drop_output()


def _refusal(error: OSError) -> PachaError:
    from pacha.errors import PachaError
    from pacha.text import escape

    why = (error.strerror or str(error)) + (f": {escape(error.filename)}" if error.filename else "")
    return PachaError(
        "The system does not let Pacha go on.", why, "Fix that and run this again.", code="system-refused"
    )


def _allow_depth() -> None:
    """As many open descriptors as the system lets us: one is held a level while a deep tree is walked."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def asks_for_more(arguments: Sequence[str]) -> bool:
    """Whether ``-v`` is among ``arguments``: what click made of them is gone where an error is shown."""
    options = takewhile(lambda word: word != "--", arguments)
    return any(word in ("-v", "--verbose", "-qv", "-vq") for word in options)


def spelt_as_command(arguments: list[str]) -> list[str]:
    """``--rebuild bar`` and ``--rebuild=bar`` as ``rebuild bar``: the first argument that is no global option."""
    from pacha.cli.app import COMMANDS

    words = list(arguments)
    position = 0
    while position < len(words) and words[position].startswith("-"):
        name, equals, value = words[position].partition("=")
        if name[2:] in COMMANDS and name.startswith("--"):
            words[position : position + 1] = [name[2:], value] if equals else [name[2:]]
            break
        position += 2 if name in _OPTIONS_WITH_VALUE and not equals else 1
    return words


def _own_fault(fault: Exception) -> int:
    import tempfile
    import traceback

    import click

    from pacha.errors import ExitCode
    from pacha.text import one_line

    with tempfile.NamedTemporaryFile("w", prefix="pacha-fault-", suffix=".txt", delete=False) as stream:
        traceback.print_exception(fault, file=stream)
    click.echo(f"pacha: a fault in Pacha itself: {type(fault).__name__}", err=True)
    click.echo(f"       {one_line(str(fault))}", err=True)
    click.echo(f"       Please report it with {stream.name}.", err=True)
    return int(ExitCode.FAILED)


def _signalled(ended: Signalled) -> int:
    """One line that says what ended it and how things stand; none for a pipe that was closed where nothing is lost."""
    import click

    _drop_output()
    what = "stopped by Ctrl-C" if ended.number == signal.SIGINT else f"ended by {signal.Signals(ended.number).name}"
    if ended.state or ended.number != signal.SIGPIPE:
        with suppress(OSError):  # the terminal itself may be gone
            first, *more = ended.state.splitlines() or [""]
            click.echo(f"\npacha: {what}. {first}".rstrip(), err=True)
            for line in more:
                click.echo(f"       {line}", err=True)
    return 128 + ended.number  # ExitCode.SIGNAL


if __name__ == "__main__":
    main()
