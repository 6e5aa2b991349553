"""annotate: show which snapshot brought in each line of a file."""

from __future__ import annotations

import os

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import HOST_OPTION, warn_unreadable
from pacha.errors import ExitCode
from pacha.history import access, lookup
from pacha.history.annotate import annotate
from pacha.store import selection
from pacha.ui import annotate as shown
from pacha.ui import history
from pacha.ui.console import print_json


@cli.command("annotate")
@click.argument("path", type=click.Path())
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@HOST_OPTION
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@click.pass_obj
def annotate_command(cli_context: CliContext, path: str, at: str, host: str, as_json: bool) -> ExitCode:
    """Show when each line of a file came in, and who pushed it: id and time of the snapshot, user, line.

    Pacha cannot know who edited the file.

    \b
    Example: pacha annotate /etc/fstab
             pacha annotate --host bar /etc/fstab --at '3 days ago'
    """
    with access.open_history(cli_context.history_context(host), host) as snapshots:
        revision = snapshots.find(at)
        snapshot = snapshots.snapshot(revision)
        entry = lookup.file_of(snapshot, selection.path_candidates(os.fsencode(path)))
        annotated = annotate(snapshots, snapshot, entry, revision)
        if as_json:
            print_json(shown.as_json(annotated, snapshots.host))
        else:
            history.show(shown.lines(annotated))
        return warn_unreadable(cli_context, snapshots)
