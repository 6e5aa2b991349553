"""cat: print a file as a snapshot has it."""

from __future__ import annotations

import os
import sys

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import HOST_OPTION, warn_unreadable
from pacha.cli.identity import IDENTITY_OPTION, read_identities
from pacha.errors import ExitCode
from pacha.history import access, lookup
from pacha.store import selection


@cli.command("cat")
@click.argument("path", type=click.Path())
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@HOST_OPTION
@IDENTITY_OPTION
@click.pass_obj
def cat_command(cli_context: CliContext, path: str, at: str, host: str, identities: tuple[str, ...]) -> ExitCode:
    """Print a file as a snapshot has it, byte for byte.

    \b
    Example: pacha cat /etc/fstab --at '3 days ago' > fstab.old
    """
    opening = read_identities(identities)
    with access.open_history(cli_context.history_context(host), host) as history:
        revision = history.find(at)
        snapshot = history.snapshot(revision)
        entry = lookup.file_of(snapshot, selection.path_candidates(os.fsencode(path)))
        opener = history.opener(revision, snapshot, opening)
        for chunk in history.content(snapshot, entry, opener):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return warn_unreadable(cli_context, history)
