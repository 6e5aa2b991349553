"""push: send what changed to every master."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.notify import reported
from pacha.errors import ExitCode, LockedError
from pacha.host.due import is_at_work, is_due
from pacha.store import change_list
from pacha.ui.console import Console
from pacha.ui.spinner import waiting

if TYPE_CHECKING:
    from pacha.push.push import Pushed


@cli.command("push")
@click.option(
    "--due",
    is_flag=True,
    help="Only if pacha.frequency hours have passed, or the last try failed; not while one is at work.",
)
@click.option(
    "--accept",
    is_flag=True,
    help="Give up what an earlier rebuild could not restore, names of accounts that are no more, unmounted volumes.",
)
@click.option(
    "--take-over", is_flag=True, help="Push as this host though another machine did so last, or this one as another."
)
@click.option("-m", "--message", default="", help="Say why, in the history.")
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait for another run to end.")
@click.pass_obj
def push_command(
    cli_context: CliContext, due: bool, accept: bool, take_over: bool, message: str, wait: float
) -> ExitCode:
    """Send what changed to every master, as one snapshot.

    \b
    Example: pacha push -m "before the upgrade"
    """
    context = cli_context.context()
    if due and not is_due(context.state.read(), context.config.frequency, time.time()):
        return ExitCode.DONE
    from pacha.push import parallel, push  # 'push --due' mostly ends before this

    console = cli_context.console
    try:
        with (
            parallel.starting(context) as second,  # before there are threads
            reported(context, by_schedule=due) as failures,
            waiting("Pushing", quiet=cli_context.quiet),
        ):
            pushed = push.push(
                context, accept=accept, take_over=take_over, message=message, wait_seconds=wait, sharing=second
            )
            failures += [failure for _, failure in pushed.failures]
    except LockedError as error:
        if not due or not is_at_work(error.work, error.seconds):
            raise
        console.tell("Another push is at work.")
        return ExitCode.DONE
    return _show(console, pushed, several=len(context.config.masters()) > 1)


def _show(console: Console, pushed: Pushed, *, several: bool) -> ExitCode:
    """Show what a push did, and with ``several`` masters each failure. Raises the failure of an only master."""
    for notice in pushed.notices:
        console.tell(notice)
    console.concerns(pushed.concerns)
    console.changes(pushed.changes)
    for line in pushed.packages:
        console.detail(f"P {line}")
    if pushed.committed:
        counts = change_list.counts(pushed.changes, pushed.packages)
        console.tell(f"{pushed.host}: {counts} (snapshot {pushed.tip[:12]}).")
    if several:
        console.failures(pushed.failures)
    if pushed.failure is not None:
        if several:
            return pushed.failure.exit_code
        raise pushed.failure
    if not pushed.committed and not pushed.sent:
        console.tell(f"{pushed.host}: nothing changed in {pushed.paths} paths.")
    verb = "has" if len(pushed.masters) == 1 else "have"
    console.tell(f"{pushed.masters_text} {verb} it all ({pushed.seconds:.1f} s).")
    return ExitCode.CONCERNS if pushed.concerns or pushed.failures else ExitCode.DONE
