"""verify: compare what is watched with the last snapshot."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.history.verify import verify
from pacha.text import escape


@cli.command("verify")
@click.option("--at", default="", metavar="WHEN", help="Compare with the snapshot of then instead of the last one.")
@click.pass_obj
def verify_command(cli_context: CliContext, at: str) -> ExitCode:
    """Compare this host's watched paths with the last snapshot: content and metadata.

    \b
    Example: pacha verify --at yesterday
    """
    verified = verify(cli_context.context(), at)
    which = f"the snapshot of {escape(at)}" if at else "the last snapshot"
    for difference in verified.differences:
        click.echo(f"{escape(difference.path)}: {difference.reason}")
    if verified.differences:
        cli_context.console.tell(f"{len(verified.differences)} of {verified.paths} paths differ from {which}.")
        return ExitCode.CONCERNS
    cli_context.console.tell(f"All {verified.paths} paths are as in {which}.")
    return ExitCode.DONE
