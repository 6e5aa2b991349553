"""doctor: check that all is well, and say how to fix what is not."""

from __future__ import annotations

import json

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.host import doctor
from pacha.ui import overview
from pacha.ui.spinner import waiting


@cli.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def doctor_command(cli_context: CliContext, as_json: bool) -> ExitCode:
    """Check that all is well here and on the master, and say how to fix what is not. Changes nothing.

    \b
    Example: pacha doctor --json
    """
    checks = []
    with waiting(quiet=cli_context.quiet):
        for check in doctor.inspect(cli_context.load_quietly, cli_context.state()):
            checks.append(check)
            if not as_json and (check.code or not cli_context.quiet):
                click.echo(overview.check_text(check))
    if as_json:
        click.echo(json.dumps([overview.check_json(check) for check in checks], indent=2))
    return doctor.exit_code(checks)
