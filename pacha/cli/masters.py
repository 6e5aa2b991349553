"""On a master: its hosts."""

from __future__ import annotations

import click

from pacha.cli.group import cli
from pacha.cli.terminal import Terminal, shown
from pacha.errors import ExitCode


@cli.command("add-host")
@click.argument("host")
@click.option("--user", metavar="ACCOUNT", help="Give the folder to the account that HOST logs in as.")
@click.pass_obj
def add_host(terminal: Terminal, host: str, user: str | None) -> ExitCode:
    """On a master: make the folder in which HOST keeps its repositories.

    \b
    Example: pacha add-host bar --user bar_user
    """
    from pacha.actions.hosts import add_host as action

    path = action(terminal.load().hosts_path, host, user)
    terminal.meter.say(f"{shown(path)} is ready for '{host}'" + (f" (account {user})." if user else "."))
    return ExitCode.DONE
