"""retire: on a master, put a host away so that all of it can come back."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, UsageError
from pacha.server import retire, retired
from pacha.server.retire import PlannedRetirement, Returned
from pacha.text import escape, local_minute, printable


@cli.command("retire")
@click.argument("host", required=False)
@click.option("--undo", is_flag=True, help="Bring a retired HOST back as it was.")
@click.option("--list", "listing", is_flag=True, help="List the retired hosts.")
@click.option("-m", "--message", default="", metavar="WHY", help="Why, for the record.")
@click.option("--now", is_flag=True, help="Do not wait for a push that is at work: cut it off.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def retire_command(
    cli_context: CliContext,
    host: str | None,
    undo: bool,
    listing: bool,
    message: str,
    now: bool,
    dry_run: bool,
    yes: bool,
) -> ExitCode:
    """On a master: put HOST away, with all that is kept of it.

    Its folder moves into an archive, its key is taken out of authorized_keys, and its name stays reserved. Nothing is
    deleted; --undo brings all of it back.

    \b
    Example: pacha retire bar -m "sold in May"
             pacha retire --undo bar
    """
    hosts_path = cli_context.master_config().hosts_path
    if listing:
        return _list(hosts_path)
    if host is None:
        raise UsageError("No host is named.", "", "Name it, or list the retired ones: --list", code="host-not-named")
    if undo:
        return _undone(cli_context, host, retire.undo(hosts_path, host))
    console, planned = cli_context.console, retire.plan(hosts_path, host)
    console.say(f"The folder {escape(planned.path)} moves to {escape(planned.archive)}.")
    if planned.keys:
        console.say(f"Lines of its key that are taken out of {planned.account}'s authorized_keys: {planned.keys}.")
    if dry_run:
        return ExitCode.DONE
    if not yes:
        console.confirm(f"Retire '{host}'? It cannot push any more. Undo: pacha retire --undo {host}")
    retire.retire(hosts_path, host, printable(message), now=now)
    console.tell(f"'{host}' is retired. To have it back: pacha retire --undo {host}")
    return _keys_left(cli_context, planned)


def _keys_left(cli_context: CliContext, planned: PlannedRetirement) -> ExitCode:
    """Say so if its key may still be let in: a plain account's line does not say whose it is."""
    if planned.keys or planned.half:
        return ExitCode.DONE
    where = f"{planned.account}'s authorized_keys has no line" if planned.account else "no account has a line"
    others = f"{planned.other_keys} other key{'s' if planned.other_keys != 1 else ''}"
    cli_context.console.warn(
        f"{where} that Pacha made for '{planned.host}', and {others}: a key that only '{planned.host}' has must be "
        "taken out by hand"
    )
    return ExitCode.CONCERNS


def _undone(cli_context: CliContext, host: str, returned: Returned) -> ExitCode:
    console = cli_context.console
    console.tell(f"'{host}' is back: {escape(returned.path)}, {returned.keys} lines of its key let in again.")
    if not returned.lost_keys:
        return ExitCode.DONE
    console.warn(
        "the account that had its key is gone, so its key is not let in: make the account, then "
        f"chown -R ACCOUNT: {escape(returned.path)}; pacha add-host {host} --key FILE --install ACCOUNT"
    )
    return ExitCode.CONCERNS


def _list(hosts_path: bytes) -> ExitCode:
    for name, record in retired.every(hosts_path):
        what = f"{local_minute(record.at)}  {record.by}  {record.why}" if record else "its record is missing"
        click.echo(f"{name}  {what}".rstrip())
    return ExitCode.DONE
