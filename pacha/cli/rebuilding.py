"""Putting a host back, taking that back, comparing with what was kept."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pacha.cli.group import cli
from pacha.cli.terminal import Terminal, confirm, shown
from pacha.errors import ExitCode


@cli.command()
@click.argument("host")
@click.option("--at", default="", metavar="WHEN", help="As it was then: a snapshot's id, a date, 'yesterday'.")
@click.option("--path", "paths", multiple=True, type=click.Path(), help="Only this path, and what is below it.")
@click.option("--directory", "directories", multiple=True, metavar="NAME", help="Only this watched directory.")
@click.option("--target", type=click.Path(), metavar="DIR", help="Put everything below DIR instead.")
@click.option("--delete", is_flag=True, help="Move what the snapshot does not have out of the way.")
@click.option("--owner-map", type=click.Path(path_type=Path), metavar="FILE", help="Lines of old:new names.")
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
    at: str,
    paths: tuple[str, ...],
    directories: tuple[str, ...],
    target: str | None,
    delete: bool,
    owner_map: Path | None,
    accounts: str,
    yes: bool,
) -> ExitCode:
    """Put back every file of HOST, or a part of them: content, owner, group and mode.

    \b
    Example: pacha rebuild bar --target /srv/look
    Example: pacha rebuild bar --path /etc/nginx --at yesterday
    """
    from pacha.actions import here as place
    from pacha.actions import own, select
    from pacha.actions.preview import Choices, Renumbering
    from pacha.actions.rebuild import Reporter
    from pacha.actions.rebuild import rebuild as action

    here, meter = terminal.here(), terminal.meter
    place.check_host(host)
    asked = select.Asked(tuple(select.ways(os.fsencode(path)) for path in paths), directories)
    where = os.fsencode(os.path.abspath(target)) if target else b""
    choices = Choices(where, delete, owner_map, Renumbering(accounts), at=at, asked=asked)
    from_own = own.master(here, host, choices) is not None
    about = place.whereabouts(here, own=from_own) + f"Host to rebuild: {host}"
    about += f"\nAs it was:       {shown(os.fsencode(at))}" if at else ""
    parts = [*(ways[0] for ways in asked.paths), *map(os.fsencode, directories)]
    about += "".join(f"\nOnly:            {shown(part)}" for part in parts)
    if yes:
        meter.say(about)
    else:
        confirm(about)
    reporter = Reporter(on_file=meter.file, on_fetched=meter.fetched, on_plan=meter.plan, on_step=meter.step)
    rebuilt = action(here, host, choices, reporter)
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
@click.option("--at", default="", metavar="WHEN", help="Compare with the snapshot of then instead of the last one.")
@click.pass_obj
def verify(terminal: Terminal, at: str) -> ExitCode:
    """Compare this host's watched paths with the last snapshot: content and metadata.

    \b
    Example: pacha verify --at yesterday
    """
    from pacha.actions.verify import verify as action

    verified = action(terminal.here(), at)
    which = f"the snapshot of {shown(os.fsencode(at))}" if at else "the last snapshot"
    for difference in verified.differences:
        click.echo(f"{shown(difference.path)}: {difference.reason}")
    if verified.differences:
        terminal.meter.say(f"{len(verified.differences)} of {verified.paths} paths differ from {which}.")
        return ExitCode.CONCERNS
    terminal.meter.say(f"All {verified.paths} paths are as in {which}.")
    return ExitCode.DONE
