"""ls: list what a snapshot has at a path."""

from __future__ import annotations

import os

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import split_words, warn_unreadable
from pacha.errors import ExitCode, UsageError
from pacha.history import access, lookup
from pacha.history.ls import ls
from pacha.ui import history
from pacha.ui.console import print_json
from pacha.ui.ls import entry_json, entry_lines


@cli.command("ls")
@click.argument("words", nargs=-1, metavar="[HOST] [PATH]")
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@click.option("-r", "--recursive", is_flag=True, help="With all that is below.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@click.pass_obj
def ls_command(cli_context: CliContext, words: tuple[str, ...], at: str, recursive: bool, as_json: bool) -> ExitCode:
    """List what a snapshot has at PATH: type, mode, owner, group, size, time. Without a PATH, what is watched.

    A word with a '/' in it is a PATH. Another is a HOST, as a master has it.

    \b
    Example: pacha ls /etc/nginx --at yesterday
             pacha ls bar -r
    """
    hosts, paths = split_words(words)
    if len(hosts) > 1 or len(paths) > 1:
        raise UsageError(
            "More than one host or path was named.", hint="A path has a '/' in it: ./foo", code="several-named"
        )
    with access.open_history(cli_context.history_context("".join(hosts)), "".join(hosts)) as snapshots:
        snapshot = snapshots.snapshot(snapshots.find(at))
        path = lookup.candidate_in(snapshot, paths[0]) if paths else b""
        entries = list(ls(snapshot, path, recursive=recursive))
        if as_json:
            print_json([entry_json(entry) for entry in entries])
        else:
            history.show(os.fsencode(f"{line}\n") for line in entry_lines(entries))
        return warn_unreadable(cli_context, snapshots)
