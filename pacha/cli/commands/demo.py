"""demo: play the whole story in a temporary folder."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.demo import play
from pacha.errors import ExitCode


@cli.command("demo")
@click.option("--ssh", is_flag=True, help="Through a throw-away sshd on this machine.")
@click.pass_obj
def demo_command(cli_context: CliContext, ssh: bool) -> ExitCode:
    """Play the whole story in a temporary folder: watch, push, crash, rebuild, compare.

    \b
    Example: pacha demo --ssh
    """
    return ExitCode.DONE if play(ssh, cli_context.console.say) else ExitCode.FAILED
