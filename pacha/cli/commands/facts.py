"""facts: what a host was besides its files."""

from __future__ import annotations

from dataclasses import asdict

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import warn_unreadable
from pacha.errors import ExitCode
from pacha.history import access, companions
from pacha.ui import machine
from pacha.ui.console import print_json


@cli.command("facts")
@click.argument("host", default="")
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object.")
@click.pass_obj
def facts_command(cli_context: CliContext, host: str, at: str, as_json: bool) -> ExitCode:
    """Show what machine HOST was: its system, its network cards, its volumes.

    \b
    Example: pacha facts
             pacha facts bar --at '3 days ago'
    """
    with access.open_history(cli_context.history_context(host), host) as history:
        facts = companions.read_facts(history, history.find(at))
        if as_json:
            print_json(asdict(facts))
        else:
            for line in machine.facts_lines(facts):
                click.echo(line)
        return warn_unreadable(cli_context, history)
