"""hosts: on a master, show every host, the late ones first."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.fleet_arguments import DRIFT_OPTION, open_fleet, warn_faults
from pacha.errors import ExitCode, UsageError
from pacha.fleet.drift import absolute
from pacha.fleet.report import DriftReport, drift_reports
from pacha.server import hosts
from pacha.server.purge_counts import purge_counts
from pacha.ui.hosts import hosts_json, hosts_text, problem
from pacha.ui.prometheus import prometheus_text

_FORMS = {"json": hosts_json}


@cli.command("hosts")
@click.option("--json", "form", flag_value="json", help="For programs.")
@click.option("--prometheus", "form", flag_value="prometheus", help="For the textfile collector of Prometheus.")
@DRIFT_OPTION
@click.pass_obj
def hosts_command(cli_context: CliContext, form: str | None, drift: tuple[str, ...]) -> ExitCode:
    """On a master: show every host, the silent and the late ones first. Exit code 3 if there are any.

    --drift goes with --prometheus: how many paths at or below PATH are not the same on all hosts, and on how many
    hosts something is else than on most.

    \b
    Example: pacha hosts --json
             pacha hosts --prometheus --drift /etc/ssh/sshd_config
    """
    if drift and form != "prometheus":
        raise UsageError(
            "--drift goes with --prometheus.", "", "To look at it: pacha drift PATH", code="drift-without-prometheus"
        )
    hosts_path = cli_context.master_config().hosts_path
    every = hosts.hosts(hosts_path)
    if form == "prometheus":
        counts = purge_counts(hosts_path, [host.host for host in every])
        drifts, faults = _drifts(cli_context, drift)
        click.echo(prometheus_text(every, counts, drifts, len(faults)))
        return max(hosts.exit_code(every), warn_faults(cli_context, faults, told=True))
    if form or not cli_context.quiet:
        click.echo(_FORMS.get(form or "", hosts_text)(every))
    else:
        cli_context.console.problems(f"{host.host}: {problem(host)}" for host in every if not host.fine)
    return hosts.exit_code(every)


def _drifts(cli_context: CliContext, paths: tuple[str, ...]) -> tuple[list[DriftReport], list[str]]:
    """What drifts at the paths that were asked for, and which hosts cannot be read. Only that needs the index."""
    wanted = [absolute(path) for path in paths]
    if not wanted:
        return [], []
    ignore = cli_context.load_of_master(quietly=True).drift_ignore
    with open_fleet(cli_context) as fleet:
        return drift_reports(fleet, wanted, ignore), fleet.faults()
