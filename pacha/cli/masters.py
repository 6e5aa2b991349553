"""On a master: its hosts."""

from __future__ import annotations

import os
from typing import BinaryIO

import click

from pacha.cli.group import cli
from pacha.cli.terminal import Terminal, shown
from pacha.errors import ExitCode


@cli.command("add-host")
@click.argument("host")
@click.option("--user", metavar="ACCOUNT", help="Give the folder to the account that HOST logs in as.")
@click.option("--key", type=click.File("rb"), metavar="FILE", help="Let this public key in for HOST ('-': read it).")
@click.option("--install", metavar="USER", help="Put the line into USER's authorized_keys instead of printing it.")
@click.option("--rebuild-only", is_flag=True, help="The key reads what is kept, and writes nothing.")
@click.option("--push-only", is_flag=True, help="The key sends what is new, and reads nothing that is kept.")
@click.option("--expires", metavar="WHEN", help="No longer than this: 12h, 3d, 2w, 2027-01-31, '2027-01-31 18:00'.")
@click.pass_obj
def add_host(
    terminal: Terminal,
    host: str,
    user: str | None,
    key: BinaryIO | None,
    install: str | None,
    rebuild_only: bool,
    push_only: bool,
    expires: str | None,
) -> ExitCode:
    """On a master: make the folder in which HOST keeps its repositories, and let its key in.

    The line for ~/.ssh/authorized_keys lets the key do what HOST needs and nothing else: no shell, no other host,
    nothing removed.

    \b
    Example: pacha add-host bar --key bar.pub --install bar_user
    """
    from pacha.actions import hosts as action

    allowed = action.Allowed(rebuild_only, push_only, expires)
    text = key.read(1 << 20) if key is not None else None
    added = action.add_host(terminal.load().hosts_path, host, user, text, install, allowed)
    meter = terminal.meter
    meter.say(f"{shown(added.path)} is ready for '{host}'" + (f" (account {added.account})." if added.account else "."))
    if added.installed:
        meter.say(f"The key is {added.installed} in {install}'s authorized_keys.")
    elif added.line:
        meter.say("The line for ~/.ssh/authorized_keys of that account:")
        click.echo(added.line)
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
