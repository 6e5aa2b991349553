"""On a master: its hosts."""

from __future__ import annotations

import os

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


@cli.command()
@click.argument("host")
@click.option("--hosts-path", required=True, metavar="DIR", help="The folder that has one folder for each host.")
@click.option("--rebuild-only", is_flag=True, help="Let nothing be written.")
@click.option("--push-only", is_flag=True, help="Let nothing that is kept be read.")
@click.option("--control", is_flag=True, hidden=True)
@click.option("--repository", metavar="NAME", hidden=True)
def serve(
    host: str, hosts_path: str, rebuild_only: bool, push_only: bool, control: bool, repository: str | None
) -> int:
    """On a master: the forced command behind the key of HOST. It does what Pacha asks for HOST, and nothing else.

    \b
    Example, a line of ~/.ssh/authorized_keys (pacha add-host writes it):
    restrict,command="pacha serve bar --hosts-path /pacha/hosts" ssh-ed25519 AAAA...
    """
    from pacha.actions import serve as action

    may = action.rights(rebuild_only=rebuild_only, push_only=push_only)
    asked = os.environ.get("SSH_ORIGINAL_COMMAND")
    return action.serve(host, os.fsencode(hosts_path), may, asked, action.direct(control, repository))
