"""status: show how this host stands."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.host.status import status
from pacha.ui.status import status_json, status_text


@cli.command("status")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def status_command(cli_context: CliContext, as_json: bool) -> ExitCode:
    """Show how this host stands: the last push, what failed, what is unsent or owed. Asks no master.

    \b
    Example: pacha status --json
    """
    host_status = status(cli_context.context())
    click.echo(status_json(host_status) if as_json else status_text(host_status))
    return ExitCode.DONE if host_status.fine else ExitCode.CONCERNS
