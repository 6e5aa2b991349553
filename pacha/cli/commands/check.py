"""check: on a master, find out whether each host could be rebuilt now."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.server.check import check
from pacha.server.check_results import CheckResult
from pacha.ui.check import check_json, check_lines
from pacha.ui.console import Console, print_json
from pacha.ui.spinner import clear, waiting


@cli.command("check")
@click.argument("hosts", nargs=-1)
@click.option("--rehearse", is_flag=True, help="Rebuild into a scratch folder, too, and compare.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def check_command(cli_context: CliContext, hosts: tuple[str, ...], rehearse: bool, as_json: bool) -> ExitCode:
    """On a master: could HOSTS (all of them) be rebuilt now? Exit code 13 if one could not.

    \b
    Example: pacha check --rehearse bar
    """
    console = cli_context.console
    results: list[CheckResult] = []
    on_result = results.append if as_json else lambda result: _show(console, result)
    with waiting(quiet=console.quiet):
        code = check(cli_context.master_config(), hosts, rehearse, on_result)
    if as_json:
        print_json([check_json(result) for result in results], indent=2)
    return code


def _show(console: Console, result: CheckResult) -> None:
    clear()
    if result.code:
        console.problems(check_lines(result))
    else:
        for line in check_lines(result):
            console.tell(line)
