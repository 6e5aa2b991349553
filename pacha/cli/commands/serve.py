"""serve: the forced command behind a host's key."""

from __future__ import annotations

import os

import click

from pacha.cli.app import cli
from pacha.server import serve
from pacha.server.command_filter import rights


@cli.command("serve")
@click.argument("host")
@click.option("--hosts-path", required=True, metavar="DIR", help="The folder that has one folder for each host.")
@click.option("--rebuild-only", is_flag=True, help="Let nothing be written.")
@click.option("--push-only", is_flag=True, help="Let nothing that is kept be read.")
@click.option("--control", is_flag=True, hidden=True)
@click.option("--repository", metavar="NAME", hidden=True)
def serve_command(
    host: str, hosts_path: str, rebuild_only: bool, push_only: bool, control: bool, repository: str | None
) -> int:
    """On a master: the forced command behind the key of HOST. It does what Pacha asks for HOST, and nothing else.

    \b
    Example, a line of ~/.ssh/authorized_keys (pacha add-host writes it):
    restrict,command="pacha serve bar --hosts-path /pacha/hosts" ssh-ed25519 AA...
    """
    may = rights(rebuild_only=rebuild_only, push_only=push_only)
    command = os.environ.get("SSH_ORIGINAL_COMMAND")
    return serve.serve(host, os.fsencode(hosts_path), may, command, serve.direct(control, repository))
