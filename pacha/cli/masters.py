"""On a master: its hosts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pacha.cli.group import cli
from pacha.cli.terminal import Terminal, shown
from pacha.errors import ExitCode

if TYPE_CHECKING:
    from pacha.actions.notes import Checked


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
@click.option("--json", "form", flag_value="json", help="For programs.")
@click.option("--prometheus", "form", flag_value="prometheus", help="For the textfile collector of Prometheus.")
@click.pass_obj
def hosts(terminal: Terminal, form: str | None) -> ExitCode:
    """On a master: show every host, the silent and the late ones first. Exit code 3 if there are any.

    \b
    Example: pacha hosts --json
    """
    from pacha.actions import fleet as action
    from pacha.meter import fleet

    found = action.hosts(terminal.load().hosts_path)
    show = {"json": fleet.hosts_json, "prometheus": fleet.prometheus}.get(form or "", fleet.hosts)
    if not terminal.quiet or form:
        click.echo(show(found))
    else:
        terminal.meter.problems(f"{one.host}: {fleet.problem(one)}" for one in found if not one.fine)
    return action.exit_code(found)


@cli.command()
@click.argument("hosts", nargs=-1)
@click.option("--rehearse", is_flag=True, help="Rebuild into a scratch folder, too, and compare.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def check(terminal: Terminal, hosts: tuple[str, ...], rehearse: bool, as_json: bool) -> ExitCode:
    """On a master: could HOSTS (all of them) be rebuilt now? Exit code 13 if one could not.

    \b
    Example: pacha check --rehearse bar
    """
    from pacha.actions.check import check as action
    from pacha.meter import fleet

    done: list[Checked] = []
    code = action(terminal.load(), hosts, rehearse, done.append if as_json else terminal.meter.checked)
    if as_json:
        click.echo(json.dumps([fleet.checked_json(one) for one in done], indent=2))
    return code
