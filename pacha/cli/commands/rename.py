"""rename: on a master, give a host another name."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.server import rename
from pacha.text import escape


@cli.command("rename")
@click.argument("old")
@click.argument("new")
@click.option("--now", is_flag=True, help="Do not wait for a push that is at work: cut it off.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rename_command(cli_context: CliContext, old: str, new: str, now: bool, dry_run: bool, yes: bool) -> ExitCode:
    """On a master: give the host OLD the name NEW, with its whole history, its key, its hooks and its last check.

    The host itself has to be told as well: set pacha.hostname = NEW there, and push once with --take-over. The same
    command with the names exchanged takes it back.

    \b
    Example: pacha rename bar baz
    """
    hosts_path = cli_context.master_config().hosts_path
    console, planned = cli_context.console, rename.plan(hosts_path, old, new)
    console.say(f"The folder {escape(planned.source)} becomes {escape(planned.target)}.")
    if planned.keys:
        console.say(f"Lines of its key that change in {planned.account}'s authorized_keys: {planned.keys}.")
    if dry_run:
        return ExitCode.DONE
    if not yes:
        console.confirm(f"Rename '{old}' to '{new}'? It cannot push until it is told its name.")
    rename.rename(hosts_path, old, new, now=now)
    console.tell(f"'{old}' is '{new}' now. To take it back: pacha rename {new} {old}")
    console.tell(f"On the host, set pacha.hostname = {new}, then run: pacha push --take-over")
    return ExitCode.DONE
