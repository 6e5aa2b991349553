"""add-host: on a master, make a host's folder and let its key in."""

from __future__ import annotations

from typing import BinaryIO

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, UsageError
from pacha.server import add_host
from pacha.server.add_hosts import MOST_BYTES, HostListError, add_hosts
from pacha.text import escape

_KEY_MAX = 1 << 20  #: bytes


@cli.command("add-host")
@click.argument("host", default="", metavar="[HOST]")
@click.option("--from", "listed", type=click.File("rb"), metavar="FILE", help="Many: a line each, HOST and its key.")
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
    listed: BinaryIO | None,
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
             pacha add-host --from hosts.txt --install pacha
    """
    allowed = add_host.Allowed(rebuild_only, push_only, expires)
    if bool(host) == (listed is not None) or (listed is not None and key is not None):
        raise UsageError(
            "Which hosts are meant is not clear.",
            "name one HOST, or a list of them with their keys: --from FILE",
            "See: pacha add-host --help",
            code="add-which-hosts",
        )
    if listed is not None:
        return _add_all(cli_context, listed.read(MOST_BYTES + 1), user, install, allowed, replace=replace)
    public_key = key.read(_KEY_MAX) if key is not None else None
    return _add_one(cli_context, host, public_key, user, install, allowed, replace=replace)


def _add_one(
    cli_context: CliContext, host: str, public_key: bytes | None, user: str | None, install: str | None,
    allowed: add_host.Allowed, *, replace: bool,
) -> ExitCode:  # fmt: skip
    """Add a host, and print what came of it."""
    hosts_path = cli_context.master_config().hosts_path
    added = add_host.add_host(hosts_path, host, user, public_key, install, allowed, replace=replace)
    console = cli_context.console
    account = f" (account {added.account})" if added.account else ""
    console.tell(f"{escape(added.path)} is ready for '{host}'{account}.")
    if added.installed:
        console.tell(f"The key is {added.installed} in {install}'s authorized_keys.")
    elif added.line:
        console.tell("The line for ~/.ssh/authorized_keys of that account:")
        click.echo(added.line)
    return _say_whether_it_runs(cli_context, install, runs=added.runs)


def _add_all(
    cli_context: CliContext, text: bytes, user: str | None, install: str | None, allowed: add_host.Allowed, *,
    replace: bool,
) -> ExitCode:  # fmt: skip
    """Add the hosts of a list, and print what came of it."""
    console = cli_context.console
    hosts_path = cli_context.master_config().hosts_path
    try:
        added = add_hosts(hosts_path, text, user, install, allowed, replace=replace)
    except HostListError as error:
        console.problems(error.faults)
        raise
    ready = "folder is" if len(added.hosts) == 1 else "folders are"
    console.tell(f"{len(added.hosts)} {ready} ready in {escape(hosts_path)}.")
    if install:
        counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(added.installed.items()))
        console.tell(f"Keys in {install}'s authorized_keys: {counted or 'none in the list'}.")
    elif added.lines:
        console.tell("The lines for ~/.ssh/authorized_keys of that account:")
        click.echo("\n".join(added.lines))
    return _say_whether_it_runs(cli_context, install, runs=added.runs)


def _say_whether_it_runs(cli_context: CliContext, install: str | None, *, runs: bool) -> ExitCode:
    if runs:
        return ExitCode.DONE
    cli_context.console.warn(
        f"{install} cannot run this Pacha: install it where every account can (not below /root), run this again"
    )
    return ExitCode.CONCERNS
