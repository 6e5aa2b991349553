"""cat: print a file as a snapshot has it."""

from __future__ import annotations

import os
import sys

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import HOST_OPTION, warn_unreadable
from pacha.errors import ExitCode
from pacha.history import reader
from pacha.store import selection


@cli.command("cat")
@click.argument("path", type=click.Path())
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@HOST_OPTION
@click.pass_obj
def cat_command(cli_context: CliContext, path: str, at: str, host: str) -> ExitCode:
    """Print a file as a snapshot has it, byte for byte.

    \b
    Example: pacha cat /etc/fstab --at '3 days ago' > fstab.old
    """
    with reader.open_history(cli_context.history_context(host), host) as history:
        snapshot = history.snapshot(history.find(at))
        entry = reader.file_of(snapshot, selection.path_candidates(os.fsencode(path)))
        for chunk in history.content(snapshot, entry):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return warn_unreadable(cli_context, history)
