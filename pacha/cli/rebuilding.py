"""Putting a host back, taking that back, comparing with what was kept."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext, ask_which
from pacha.errors import DamagedError, ExitCode, UsageError
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.fetch.worker import WorkerProcess
    from pacha.host.context import Context
    from pacha.rebuild.options import RebuildOptions


@cli.command(short_help="Put back every file of a host, or a part of them.")
@click.argument("host")
@click.option("--at", default="", metavar="WHEN", help="As it was then: a snapshot's id, a date, 'yesterday'.")
@click.option("--path", "paths", multiple=True, type=click.Path(), help="Only this path, and what is below it.")
@click.option("--directory", "directories", multiple=True, metavar="NAME", help="Only this watched directory.")
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
@click.option("--hooks", is_flag=True, help="Run the hooks that the master's root holds for HOST.")
@click.option("--dry-run", "-n", is_flag=True, help="Show what would be done, path by path (-v: text by text).")
@click.option("--json", "as_json", is_flag=True, help="The plan or the report as JSON, nothing else on stdout.")
@click.option(
    "--progress",
    type=click.Choice(["lines", "bar", "none"]),
    help="Show a line for each file, one live bar, or neither; not given: a bar for many files at a terminal.",
)
@click.option("--from", "name", default="", metavar="MASTER", help="Which of several masters to take it from.")
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait for another run to end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rebuild(
    terminal: CliContext,
    host: str,
    at: str,
    paths: tuple[str, ...],
    directories: tuple[str, ...],
    target: str | None,
    delete: bool,
    owner_map: str | None,
    accounts: str,
    hooks: bool,
    dry_run: bool,
    as_json: bool,
    progress: str | None,
    name: str,
    wait: float,
    yes: bool,
) -> ExitCode:
    """Put back every file of HOST, or a part of them: content, owner, group and mode.

    \b
    Example: pacha rebuild bar --dry-run
             pacha rebuild bar --target /srv/look
             pacha rebuild bar --path /etc/nginx --at yesterday
    """
    with _begun(terminal) as (context, second):
        from pathlib import Path

        from pacha.host.context import check_host
        from pacha.host.masters import whereabouts
        from pacha.rebuild import source
        from pacha.rebuild.options import AccountPolicy, RebuildOptions
        from pacha.rebuild.source import choose_master
        from pacha.store import selection

        check_host(host)
        asked = selection.Selection(tuple(selection.path_candidates(os.fsencode(path)) for path in paths), directories)
        # A rehearsal, or a part, runs nothing of this machine's services unless it is told to.
        wanted = hooks or (context.config.hooks and not (target or asked or at))
        options = RebuildOptions(
            os.fsencode(os.path.abspath(target)) if target else b"", delete, Path(owner_map) if owner_map else None,
            AccountPolicy(accounts), hooks=wanted, at=at, asked=asked, wait_seconds=wait, by_master=bool(name),
        )  # fmt: skip
        mine, masters = source.local_history_source(context, host, options) is not None, context.config.masters()
        if not mine:
            context = choose_master(
                context, host, name, None if yes or dry_run else ask_which, terminal.meter.warn, wait
            )
        about = whereabouts(context, own=mine) + f"Host to rebuild: {host}"
        about += f"\nAs it was:       {escape(at)}" if at else ""
        parts = [*(ways[0] for ways in asked.paths), *map(os.fsencode, directories)]
        about += "".join(f"\nOnly:            {escape(part)}" for part in parts)
        others = [] if mine else [one for one in masters if one not in context.config.masters()]
        with _naming(others):
            _begin(terminal, about, asks=not (yes or dry_run), as_json=as_json)
            if dry_run:
                return _show_plan(terminal, context, host, options, as_json, progress, second)
            return _carry_out(terminal, context, host, options, yes, as_json, progress, second)


@contextmanager
def _begun(terminal: CliContext) -> Iterator[tuple[Context, WorkerProcess | None]]:
    """This machine, and a second process, which is on its way before all else is imported that a rebuild takes."""
    from pacha.fetch.worker import WorkerProcess

    with WorkerProcess.beside() as second:
        from pacha.rebuild import interruption

        context = terminal.context()
        with interruption.explained(os.fsencode(context.state.path)):
            yield context, second


@contextmanager
def _naming(others: Sequence[str]) -> Iterator[None]:
    """Say that there are ``others``, masters that have not been tried, where one has nothing but damage to give."""
    try:
        yield
    except DamagedError as error:
        if not others:
            raise
        hint = f"{error.hint} Another master may have it whole: --from {others[0]}"
        raise DamagedError(error.message, error.why, hint.strip()) from None


def _begin(terminal: CliContext, about: str, *, asks: bool, as_json: bool) -> None:
    if asks and as_json:
        raise UsageError(
            "--json goes with --dry-run or --yes.", "nobody can be asked where only JSON is printed", "Add one."
        )
    if asks:
        terminal.meter.confirm(about)
    elif not as_json:
        terminal.meter.say(about)


def _show_plan(
    terminal: CliContext, context: Context, host: str, options: RebuildOptions, as_json: bool,
    progress: str | None,
    second: WorkerProcess | None,
) -> ExitCode:  # fmt: skip
    from pacha.rebuild import rebuild, report
    from pacha.ui.progress import Style
    from pacha.ui.rebuild import RebuildConsole

    meter = RebuildConsole(terminal.silenced(as_json).meter, lists=not as_json, style=Style(progress or "auto"))
    with meter.progress:
        proposed = rebuild.propose(context, host, options, meter.reporter(), second)
    if as_json:
        click.echo(json.dumps(report.proposal_json(proposed), indent=1))
    else:
        terminal.meter.concerns(proposed.concerns)
        terminal.meter.say("Nothing was changed.")
    return ExitCode.CONCERNS if proposed.concerns else ExitCode.DONE


def _carry_out(
    terminal: CliContext, context: Context, host: str, options: RebuildOptions, yes: bool, as_json: bool,
    progress: str | None, second: WorkerProcess | None,
) -> ExitCode:  # fmt: skip
    from pacha.rebuild import interruption, rebuild, report
    from pacha.ui.progress import Style
    from pacha.ui.rebuild import RebuildConsole

    asks = not yes and sys.stdin.isatty()
    meter = RebuildConsole(terminal.silenced(as_json).meter, asks=asks, style=Style(progress or "auto"))
    with meter.progress:
        rebuilt = rebuild.rebuild(context, host, options, meter.reporter(), second)
    with interruption.told(report.how_it_stands(rebuilt), f"Report: {rebuilt.report}"):
        meter.rebuilt(rebuilt)
        if as_json:
            click.echo(json.dumps(report.as_json(rebuilt), indent=1))
    return ExitCode.CONCERNS if rebuilt.concerns else ExitCode.DONE


@cli.command(short_help="Take back what the last rebuild did.")
@click.option("--list", "listing", is_flag=True, help="Show the rebuilds that can be undone, and change nothing.")
@click.option("--dry-run", "-n", is_flag=True, help="Show what would be put back, path by path, and change nothing.")
@click.pass_obj
def undo(terminal: CliContext, listing: bool, dry_run: bool) -> ExitCode:
    """Put back what the last rebuild replaced, removed or changed.

    \b
    Example: pacha undo --list
             pacha undo --dry-run
    """
    from pacha.rebuild import interruption
    from pacha.rebuild import undo as action
    from pacha.ui.rebuild import past_line

    context, meter = terminal.context(), terminal.meter
    if listing:
        for past in action.rebuilds(context):
            click.echo(past_line(past))
        return ExitCode.DONE
    if dry_run:
        past, backs = action.propose(context)
        for back in backs:
            click.echo(f"{back.what:<8} {escape(back.path)}" + (f": {back.reason}" if back.reason else ""))
        meter.say(f"To be undone: {past_line(past)}. Nothing was changed.")
        return ExitCode.DONE
    undone = action.undo(context)
    with interruption.told("The rebuild is undone", "'pacha undo --list' shows it."):
        meter.concerns(undone.outcome.concerns)
        meter.say(f"Undone: {past_line(undone.past)}")
    return ExitCode.CONCERNS if undone.outcome.concerns else ExitCode.DONE


@cli.command(short_help="Compare what is watched with the last snapshot.")
@click.option("--at", default="", metavar="WHEN", help="Compare with the snapshot of then instead of the last one.")
@click.pass_obj
def verify(terminal: CliContext, at: str) -> ExitCode:
    """Compare this host's watched paths with the last snapshot: content and metadata.

    \b
    Example: pacha verify --at yesterday
    """
    from pacha.history.verify import verify as action

    verified = action(terminal.context(), at)
    which = f"the snapshot of {escape(at)}" if at else "the last snapshot"
    for difference in verified.differences:
        click.echo(f"{escape(difference.path)}: {difference.reason}")
    if verified.differences:
        terminal.meter.say(f"{len(verified.differences)} of {verified.paths} paths differ from {which}.")
        return ExitCode.CONCERNS
    terminal.meter.say(f"All {verified.paths} paths are as in {which}.")
    return ExitCode.DONE
