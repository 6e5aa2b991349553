"""On a host: what is watched, and pushing it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from pacha.cli.group import cli
from pacha.cli.terminal import Terminal, shown
from pacha.errors import ExitCode, PachaError


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.pass_obj
def watch(terminal: Terminal, paths: Sequence[str]) -> ExitCode:
    """Watch directories: everything below them is kept from the next push on.

    \b
    Example: pacha watch /etc /opt/foo
    """
    from pacha.actions.watch import watch as action

    here = terminal.here()
    for path in paths:
        made = action(here, os.fsencode(path))
        terminal.meter.say(f"Watching {shown(made.path)} (kept as '{made.repository}').")
    return ExitCode.DONE


@cli.command("watch-single")
@click.argument("file", type=click.Path())
@click.pass_obj
def watch_single(terminal: Terminal, file: str) -> ExitCode:
    """Watch one file.

    \b
    Example: pacha watch-single /opt/foo/app.conf
    """
    from pacha.actions.watch import watch as action

    made = action(terminal.here(), os.fsencode(file), single=True)
    terminal.meter.say(f"Watching the file {shown(made.path)} (kept as '{made.repository}').")
    return ExitCode.DONE


@cli.command()
@click.argument("path", type=click.Path())
@click.pass_obj
def unwatch(terminal: Terminal, path: str) -> ExitCode:
    """Stop watching a path; what was kept of it stays in the history.

    \b
    Example: pacha unwatch /opt/foo
    """
    from pacha.actions.watch import unwatch as action

    gone = action(terminal.here(), os.fsencode(path))
    terminal.meter.say(f"No longer watching {shown(gone.path)}; its history stays.")
    return ExitCode.DONE


@cli.command()
@click.option("--accept", is_flag=True, help="Give up what an earlier rebuild could not restore.")
@click.option("--take-over", is_flag=True, help="Push as this host though another machine did so last.")
@click.option("-m", "--message", default="", help="Say why, in the history.")
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait for another run to end.")
@click.pass_obj
def push(terminal: Terminal, accept: bool, take_over: bool, message: str, wait: float) -> ExitCode:
    """Send what changed to the master, as one snapshot.

    \b
    Example: pacha push -m "before the upgrade"
    """
    from pacha.actions.push import push as action

    here = terminal.here()
    pushed = action(here, accept=accept, take_over=take_over, message=message, wait_seconds=wait)
    meter = terminal.meter
    for notice in pushed.notices:
        meter.say(notice)
    meter.concerns(pushed.concerns)
    meter.changes(pushed.changes)
    if pushed.committed:
        meter.say(f"{pushed.host}: {pushed.changes} (snapshot {pushed.tip[:12]}).")
    if pushed.failure is not None:
        raise pushed.failure
    if not pushed.committed and not pushed.sent:
        meter.say(f"{pushed.host}: nothing changed in {pushed.paths} paths.")
    meter.say(f"{pushed.master} has it all ({pushed.seconds:.1f} s).")
    for name, failure in pushed.failures:
        meter.error(PachaError(f"{name} was not brought up to date.", f"{failure.message} {failure.why}", failure.hint))
    return ExitCode.CONCERNS if pushed.concerns or pushed.failures else ExitCode.DONE
