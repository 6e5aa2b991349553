"""Putting a host back, taking that back, comparing with what was kept."""

from __future__ import annotations

import os

import click

from pacha.cli.group import cli
from pacha.cli.terminal import Terminal, confirm, shown
from pacha.errors import ExitCode


@cli.command()
@click.argument("host")
@click.option("--target", type=click.Path(), metavar="DIR", help="Put everything below DIR instead.")
@click.option("--delete", is_flag=True, help="Move what the snapshot does not have out of the way.")
@click.option("--owner-map", type=click.Path(), metavar="FILE", help="Lines of old:new names.")
@click.option(
    "--accounts",
    type=click.Choice(["renumber", "keep", "leave"]),
    default="renumber",
    help="When restored account files give names other numbers: re-own the files elsewhere that are theirs, "
    "keep this machine's numbers instead, or leave it.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rebuild(
    terminal: Terminal,
    host: str,
    target: str | None,
    delete: bool,
    owner_map: str | None,
    accounts: str,
    yes: bool,
) -> ExitCode:
    """Put back every file of HOST: content, owner, group and mode.

    \b
    Example: pacha rebuild bar --target /srv/look
    """
    from pathlib import Path

    from pacha.actions import here as place
    from pacha.actions.preview import Choices, Renumbering
    from pacha.actions.rebuild import Reporter
    from pacha.actions.rebuild import rebuild as action

    here, meter = terminal.here(), terminal.meter
    place.check_host(host)
    about = place.whereabouts(here) + f"Host to rebuild: {host}"
    if yes:
        meter.say(about)
    else:
        confirm(about)
    reporter = Reporter(on_file=meter.file, on_fetched=meter.fetched, on_plan=meter.plan, on_step=meter.step)
    where = os.fsencode(os.path.abspath(target)) if target else b""
    rebuilt = action(
        here, host, Choices(where, delete, Path(owner_map) if owner_map else None, Renumbering(accounts)), reporter
    )
    meter.rebuilt(rebuilt)
    return ExitCode.CONCERNS if rebuilt.concerns else ExitCode.DONE


@cli.command()
@click.option("--list", "listing", is_flag=True, help="Show the rebuilds that can be undone, and change nothing.")
@click.pass_obj
def undo(terminal: Terminal, listing: bool) -> ExitCode:
    """Put back what the last rebuild replaced, removed or changed.

    \b
    Example: pacha undo --list
    """
    from pacha.actions import undo as action

    here, meter = terminal.here(), terminal.meter
    if listing:
        for past in action.rebuilds(here):
            click.echo(meter.past(past))
        return ExitCode.DONE
    undone = action.undo(here)
    meter.concerns(undone.outcome.concerns)
    meter.say(f"Undone: {meter.past(undone.past)}")
    return ExitCode.CONCERNS if undone.outcome.concerns else ExitCode.DONE


@cli.command()
@click.option("--at", default="", metavar="ID", help="Compare with this snapshot instead of the last one.")
@click.pass_obj
def verify(terminal: Terminal, at: str) -> ExitCode:
    """Compare this host's watched paths with the last snapshot: content and metadata.

    \b
    Example: pacha verify
    """
    from pacha.actions.verify import verify as action

    verified = action(terminal.here(), at)
    which = f"snapshot {at}" if at else "the last snapshot"
    for difference in verified.differences:
        click.echo(f"{shown(difference.path)}: {difference.reason}")
    if verified.differences:
        terminal.meter.say(f"{len(verified.differences)} of {verified.paths} paths differ from {which}.")
        return ExitCode.CONCERNS
    terminal.meter.say(f"All {verified.paths} paths are as in {which}.")
    return ExitCode.DONE
