"""Turn the end of a command into an exit code and print errors. No other module does either."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile

import click

from pacha.cli.app import cli, spelt_as_command
from pacha.errors import ExitCode, PachaError, Signalled, no_more_processes, refusal, refused
from pacha.text import one_line
from pacha.ui.console import Console


def run_command(arguments: list[str], failure: Exception | None = None) -> int:
    """Run a command, print its error if it fails, and return the exit code; with ``failure`` it has failed already."""
    try:
        if failure is not None:
            raise failure
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
        return explain_signal(Signalled(signal.SIGINT))
    except BrokenPipeError:
        return explain_signal(Signalled(signal.SIGPIPE))
    except (OSError, MemoryError) as error:
        if (known := _of_the_system(error)) is None:
            return _own_fault(error)
        _show(known, verbose=asks_for_more(arguments))
        return int(ExitCode.FAILED)
    except Exception as fault:  # a fault in Pacha: one line for the user, the traceback in a file
        return _own_fault(fault)


def _drop_output() -> None:
    """Discard what a standard stream does not accept, as the interpreter flushes again when it exits."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _show(error: PachaError, *, verbose: bool) -> None:
    with suppress(OSError):  # then only the exit code tells
        Console(verbose=verbose).error(error)
    _drop_output()


def _of_the_system(error: OSError | MemoryError) -> PachaError | None:
    """The error for what the system refuses; None for what it should not have been asked."""
    is_of_output = hasattr(error, "characters_written")  # a pipe whose reader set it to O_NONBLOCK
    if isinstance(error, BlockingIOError) and not is_of_output:  # fork(2): EAGAIN
        return no_more_processes()
    known = error if is_of_output and isinstance(error, OSError) else refused(error)
    if known is None:
        return None
    return PachaError(
        "The system does not let Pacha go on.", refusal(known), "Fix that and run this again.", code="system-refused"
    )


def asks_for_more(arguments: Sequence[str]) -> bool:
    """Whether ``-v`` is among ``arguments``. Click's own result is not available where an error is shown."""
    options = takewhile(lambda word: word != "--", arguments)
    return any(word in ("-v", "--verbose", "-qv", "-vq") for word in options)


def _own_fault(fault: Exception) -> int:
    report = "all that was printed"
    with suppress(Exception):  # no room for it, or too little memory even to import that
        import tempfile  # 5 ms that only a fault needs

        with tempfile.NamedTemporaryFile("w", prefix="pacha-fault-", suffix=".txt", delete=False) as stream:
            traceback.print_exception(fault, file=stream)
        report = stream.name
    click.echo(f"pacha: a fault in Pacha itself: {type(fault).__name__}", err=True)
    click.echo(f"       {one_line(str(fault))}", err=True)
    click.echo(f"       Please report it with {report}.", err=True)
    return int(ExitCode.FAILED)


def explain_signal(ended: Signalled) -> int:
    """Print what ended the command and how things stand; nothing for a closed pipe without a state to tell."""
    _drop_output()
    cause = "stopped by Ctrl-C" if ended.number == signal.SIGINT else f"ended by {signal.Signals(ended.number).name}"
    if ended.state or ended.number != signal.SIGPIPE:
        with suppress(OSError):  # the terminal may be closed
            first, *more = ended.state.splitlines() or [""]
            click.echo(f"\npacha: {cause}. {first}".rstrip(), err=True)
            for line in more:
                click.echo(f"       {line}", err=True)
    return 128 + ended.number  # ExitCode.SIGNAL
