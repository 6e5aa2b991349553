"""doctor: check that all is well, and say how to fix what is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, PachaError
from pacha.host import doctor
from pacha.host.doctor_check import Check, exit_code
from pacha.server import doctor as of_master
from pacha.server.role import is_master_alone
from pacha.ui import overview
from pacha.ui.console import print_json
from pacha.ui.spinner import waiting


@cli.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def doctor_command(cli_context: CliContext, as_json: bool) -> ExitCode:
    """Check that all is well here and on the master, and say how to fix what is not. Changes nothing.

    On a master itself: its folder of hosts, their accounts, who is late.

    \b
    Example: pacha doctor --json
    """
    checks, master = [], ""
    with waiting(quiet=cli_context.quiet):
        for check in _checks(cli_context):
            checks.append(check)
            if not as_json and (check.code or not cli_context.quiet):
                if heading := overview.master_heading(check, master):
                    click.echo(heading)
                master = check.master
                click.echo(overview.check_text(check))
    if as_json:
        print_json([overview.check_json(check) for check in checks], indent=2)
    return exit_code(checks)


def _checks(cli_context: CliContext) -> Iterator[Check]:
    """Those of a host; those of a master on a machine that is one alone."""
    with suppress(PachaError):  # the host's half names it
        config = cli_context.load_of_master(quietly=True)
        if is_master_alone(config):
            return of_master.inspect(config.hosts_path)
    return doctor.inspect(cli_context.load_quietly, cli_context.state())
