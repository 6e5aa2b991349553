"""restore-db: restore a host's history from the master, but no file."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.push.differences import rules_text
from pacha.rebuild.restore_db import restore_db
from pacha.text import escape, local_second


@cli.command("restore-db")
@click.argument("host")
@click.pass_obj
def restore_db_command(cli_context: CliContext, host: str) -> ExitCode:
    """Get HOST's history and list of watched paths back from the master, and touch no watched file.

    For a machine that lost Pacha's state folder, or whose files were put back by other means.

    \b
    Example: pacha restore-db bar
    """
    console = cli_context.console
    restored = restore_db(cli_context.context(), host, console.warn)
    if restored.signed:
        console.tell(restored.signed.words)
    for watched in restored.watched:
        rules = f"; left out: {rules_text(watched.exclude)}" if watched.exclude else ""
        console.tell(f"Watching {escape(watched.path)} (kept as '{watched.repository}'{rules}).")
    console.tell(f"This machine pushes as '{host}', on top of {restored.tip[:12]} ({local_second(restored.at)}).")
    console.tell("No watched file was touched: 'pacha diff' shows what the next push will record.")
    return ExitCode.CONCERNS if restored.differences else ExitCode.DONE
