"""add-host: on a master, make a host's folder and let its key in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, UsageError
from pacha.server import add_host
from pacha.server.add_hosts import MOST_BYTES, HostListError, add_hosts
from pacha.text import escape

_KEY_MAX = 1 << 20  #: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """The arguments of the command line."""

    host: str
    listed: BinaryIO | None
    user: str | None
    key: BinaryIO | None
    install: str | None
    replace: bool
    rebuild_only: bool
    push_only: bool
    expires: str | None

    @property
    def allowed(self) -> add_host.Allowed:
        """What the key may do."""
        return add_host.Allowed(self.rebuild_only, self.push_only, self.expires)


@cli.command("add-host")
@click.argument("host", default="", metavar="[HOST]")
@click.option("--from", "listed", type=click.File("rb"), metavar="FILE", help="Many: a line each, HOST and its key.")
@click.option("--user", metavar="ACCOUNT", help="Give the folder to the account that HOST logs in as.")
@click.option("--key", type=click.File("rb"), metavar="FILE", help="Let this public key in for HOST (- is stdin).")
@click.option("--install", metavar="USER", help="Put the line into USER's authorized_keys instead of printing it.")
@click.option("--replace", is_flag=True, help="The key is HOST's from now on, and no longer another host's.")
@click.option("--rebuild-only", is_flag=True, help="The key reads what is kept, and writes nothing.")
@click.option("--push-only", is_flag=True, help="The key sends what is new, and reads nothing that is kept.")
@click.option("--expires", metavar="WHEN", help="No longer than this: 12h, 3d, 2w, 2027-01-31, '2027-01-31 18:00'.")
@click.pass_obj
def add_host_command(cli_context: CliContext, /, **values: Any) -> ExitCode:
    """On a master: make the folder in which HOST keeps its repositories, and let its key in.

    The line for ~/.ssh/authorized_keys lets the key do what HOST needs and nothing else: no shell, no other host,
    nothing removed.

    \b
    Example: pacha add-host bar --key bar.pub --install bar_user
             pacha add-host --from hosts.txt --install pacha
    """
    request = _Request(**values)
    listed, is_list = request.listed, request.listed is not None
    if bool(request.host) == is_list or (is_list and request.key is not None):
        raise UsageError(
            "Which hosts are meant is not clear.",
            "name one HOST, or a list of them with their keys: --from FILE",
            "See: pacha add-host --help",
            code="add-which-hosts",
        )
    if listed is not None:
        return _add_all(cli_context, request, listed.read(MOST_BYTES + 1))
    return _add_one(cli_context, request)


def _add_one(cli_context: CliContext, request: _Request) -> ExitCode:
    """Add a host, and print what came of it."""
    key = request.key.read(_KEY_MAX) if request.key is not None else None
    added = add_host.add_host(
        cli_context.master_config().hosts_path, request.host, request.user, key, request.install, request.allowed,
        replace=request.replace,
    )  # fmt: skip
    console = cli_context.console
    account = f" (account {added.account})" if added.account else ""
    console.tell(f"{escape(added.path)} is ready for '{request.host}'{account}.")
    if added.installed:
        console.tell(f"The key is {added.installed} in {request.install}'s authorized_keys.")
    elif added.line:
        console.tell("The line for ~/.ssh/authorized_keys of that account:")
        click.echo(added.line)
    return _say_whether_it_runs(cli_context, request.install, runs=added.runs)


def _add_all(cli_context: CliContext, request: _Request, text: bytes) -> ExitCode:
    """Add the hosts of a list, and print what came of it."""
    console, install = cli_context.console, request.install
    hosts_path = cli_context.master_config().hosts_path
    try:
        added = add_hosts(hosts_path, text, request.user, install, request.allowed, replace=request.replace)
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
