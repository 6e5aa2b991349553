"""undo: take back what the last rebuild did."""

from __future__ import annotations

import sys

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.rebuild import interruption, undo
from pacha.text import escape
from pacha.ui.rebuild import past_line


@cli.command("undo")
@click.option("--list", "listing", is_flag=True, help="Show the rebuilds that can be undone, and change nothing.")
@click.option("--dry-run", "-n", is_flag=True, help="Show what would be put back, path by path, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def undo_command(cli_context: CliContext, listing: bool, dry_run: bool, yes: bool) -> ExitCode:
    """Put back what the last rebuild replaced, removed or changed. At a terminal it asks first.

    \b
    Example: pacha undo --list
             pacha undo --dry-run
    """
    context, console = cli_context.context(), cli_context.console
    if listing:
        for record in undo.rebuilds(context):
            click.echo(past_line(record))
        return ExitCode.DONE
    if dry_run:
        record, steps = undo.propose(context)
        for step in steps:
            click.echo(f"{step.what:<8} {escape(step.path)}" + (f": {step.reason}" if step.reason else ""))
        console.tell(f"To be undone: {past_line(record)}. Nothing was changed.")
        return ExitCode.DONE
    asks = not yes and sys.stdin.isatty()
    undone = undo.undo(
        context, confirm=lambda record: console.confirm(f"To be undone: {past_line(record)}") if asks else None
    )
    with interruption.told("The rebuild is undone", "'pacha undo --list' shows it."):
        console.concerns(undone.outcome.concerns)
        console.tell(f"Undone: {past_line(undone.record)}")
        if undone.pushes_as:
            console.tell(f"This machine still pushes as '{undone.pushes_as}': its next push records what is here now.")
        if undone.record.packages:
            console.tell("The packages that it installed stay: packages.txt beside its report has what apt did.")
        if undone.record.restarted:
            console.tell(
                "Services go on with the files that it put back: restart them, after 'systemctl daemon-reload'."
            )
    return ExitCode.CONCERNS if undone.outcome.concerns else ExitCode.DONE
