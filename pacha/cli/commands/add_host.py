"""add-host: on a master, make a host's folder and let its key in."""

from __future__ import annotations

from typing import BinaryIO

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.server import add_host
from pacha.server.role import of_master
from pacha.text import escape


@cli.command("add-host")
@click.argument("host")
@click.option("--user", metavar="ACCOUNT", help="Give the folder to the account that HOST logs in as.")
@click.option("--key", type=click.File("rb"), metavar="FILE", help="Let this public key in for HOST ('-': read it).")
@click.option("--install", metavar="USER", help="Put the line into USER's authorized_keys instead of printing it.")
@click.option("--replace", is_flag=True, help="The key is HOST's from now on, and no longer another host's.")
@click.option("--rebuild-only", is_flag=True, help="The key reads what is kept, and writes nothing.")
@click.option("--push-only", is_flag=True, help="The key sends what is new, and reads nothing that is kept.")
@click.option("--expires", metavar="WHEN", help="No longer than this: 12h, 3d, 2w, 2027-01-31, '2027-01-31 18:00'.")
@click.pass_obj
def add_host_command(
    cli_context: CliContext,
    host: str,
    user: str | None,
    key: BinaryIO | None,
    install: str | None,
    replace: bool,
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
    allowed = add_host.Allowed(rebuild_only, push_only, expires)
    text = key.read(1 << 20) if key is not None else None
    hosts_path = of_master(cli_context.load_of_master()).hosts_path
    added = add_host.add_host(hosts_path, host, user, text, install, allowed, replace=replace)
    console = cli_context.console
    console.tell(
        f"{escape(added.path)} is ready for '{host}'" + (f" (account {added.account})." if added.account else ".")
    )
    if added.installed:
        console.tell(f"The key is {added.installed} in {install}'s authorized_keys.")
    elif added.line:
        console.tell("The line for ~/.ssh/authorized_keys of that account:")
        click.echo(added.line)
    if not added.runs:
        console.warn(
            f"{install} cannot run this Pacha: install it where every account can (not below /root), run this again"
        )
        return ExitCode.CONCERNS
    return ExitCode.DONE
