"""hosts: on a master, show every host, the late ones first."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.server import hosts
from pacha.server.role import of_master
from pacha.ui.hosts import hosts_json, hosts_text, problem
from pacha.ui.prometheus import prometheus_text

_FORMS = {"json": hosts_json, "prometheus": prometheus_text}


@cli.command("hosts")
@click.option("--json", "form", flag_value="json", help="For programs.")
@click.option("--prometheus", "form", flag_value="prometheus", help="For the textfile collector of Prometheus.")
@click.pass_obj
def hosts_command(cli_context: CliContext, form: str | None) -> ExitCode:
    """On a master: show every host, the silent and the late ones first. Exit code 3 if there are any.

    \b
    Example: pacha hosts --json
    """
    every = hosts.hosts(of_master(cli_context.load_of_master()).hosts_path)
    if form or not cli_context.quiet:
        click.echo(_FORMS.get(form or "", hosts_text)(every))
    else:
        cli_context.console.problems(f"{host.host}: {problem(host)}" for host in every if not host.fine)
    return hosts.exit_code(every)
