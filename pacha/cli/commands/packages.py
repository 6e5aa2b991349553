"""packages: which packages a host had."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import warn_unreadable
from pacha.errors import ExitCode
from pacha.history import access, companions
from pacha.ui import history, packages
from pacha.ui.console import print_json


@cli.command("packages")
@click.argument("host", default="")
@click.option("--at", default="", metavar="WHEN", help="As they were then; else as in the newest snapshot.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON object, with the sources and their keys.")
@click.pass_obj
def packages_command(cli_context: CliContext, host: str, at: str, as_json: bool) -> ExitCode:
    """List the packages of HOST: names, versions, and what is said of them.

    manual: somebody asked for it. held: it stays at its version. unavailable: no source of HOST has it, so it has to
    come from elsewhere.

    \b
    Example: pacha packages
             pacha packages bar --at '3 days ago'
    """
    with access.open_history(cli_context.history_context(host), host) as snapshots:
        found = companions.read_packages(snapshots, snapshots.find(at))
        if as_json:
            print_json(packages.as_json(found))
        else:
            history.show(f"{line}\n".encode() for line in packages.lines(found))
        return warn_unreadable(cli_context, snapshots)
