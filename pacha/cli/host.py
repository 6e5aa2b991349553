"""On a host: what is watched, and pushing it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pacha.cli.app import Group, cli
from pacha.cli.context import CliContext
from pacha.cli.notify import reported
from pacha.errors import ExitCode, LockedError
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.host.schedule import Job


@cli.command(short_help="Watch directories, with everything below them.")
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.pass_obj
def watch(terminal: CliContext, paths: Sequence[str]) -> ExitCode:
    """Watch directories: everything below them is kept from the next push on.

    \b
    Example: pacha watch /etc /opt/foo
    """
    from pacha.host.watch import watch as action

    context = terminal.context()
    for path in paths:
        made = action(context, os.fsencode(path))
        terminal.meter.say(f"Watching {escape(made.path)} (kept as '{made.repository}').")
    return ExitCode.DONE


@cli.command("watch-single")
@click.argument("file", type=click.Path())
@click.pass_obj
def watch_single(terminal: CliContext, file: str) -> ExitCode:
    """Watch one file.

    \b
    Example: pacha watch-single /opt/foo/app.conf
    """
    from pacha.host.watch import watch as action

    made = action(terminal.context(), os.fsencode(file), single=True)
    terminal.meter.say(f"Watching the file {escape(made.path)} (kept as '{made.repository}').")
    return ExitCode.DONE


@cli.command(short_help="Stop watching a path; what was kept of it stays.")
@click.argument("path", type=click.Path())
@click.pass_obj
def unwatch(terminal: CliContext, path: str) -> ExitCode:
    """Stop watching a path; what was kept of it stays in the history.

    \b
    Example: pacha unwatch /opt/foo
    """
    from pacha.host.watch import unwatch as action

    gone = action(terminal.context(), os.fsencode(path))
    terminal.meter.say(f"No longer watching {escape(gone.path)}; its history stays.")
    return ExitCode.DONE


@cli.command()
@click.option(
    "--due",
    is_flag=True,
    help="Only if pacha.frequency hours have passed, or the last try failed; not while one is at work.",
)
@click.option("--accept", is_flag=True, help="Give up what an earlier rebuild could not restore.")
@click.option(
    "--take-over", is_flag=True, help="Push as this host though another machine did so last, or this one as another."
)
@click.option("-m", "--message", default="", help="Say why, in the history.")
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait for another run to end.")
@click.pass_obj
def push(terminal: CliContext, due: bool, accept: bool, take_over: bool, message: str, wait: float) -> ExitCode:
    """Send what changed to every master, as one snapshot.

    \b
    Example: pacha push -m "before the upgrade"
    """
    context = terminal.context()
    from pacha.host.due import is_at_work, is_due

    if due and not is_due(context.state.read(), context.config.frequency, time.time()):
        return ExitCode.DONE
    from pacha.push.push import push as action
    from pacha.ui.spinner import waiting

    meter = terminal.meter
    try:
        with reported(context, by_schedule=due) as failures, waiting("Pushing", quiet=terminal.quiet):
            pushed = action(context, accept=accept, take_over=take_over, message=message, wait_seconds=wait)
            failures += [failure for _, failure in pushed.failures]
    except LockedError as error:
        if not due or not is_at_work(error.work, error.seconds):
            raise
        meter.say("Another push is at work.")
        return ExitCode.DONE
    for notice in pushed.notices:
        meter.say(notice)
    meter.concerns(pushed.concerns)
    meter.changes(pushed.changes)
    if pushed.committed:
        meter.say(f"{pushed.host}: {pushed.changes} (snapshot {pushed.tip[:12]}).")
    if len(context.config.masters()) > 1:
        meter.failures(pushed.failures)
        if pushed.failure is not None:
            return pushed.failure.exit_code
    if pushed.failure is not None:
        raise pushed.failure
    if not pushed.committed and not pushed.sent:
        meter.say(f"{pushed.host}: nothing changed in {pushed.paths} paths.")
    meter.say(f"{pushed.master} {'has' if len(pushed.masters) == 1 else 'have'} it all ({pushed.seconds:.1f} s).")
    return ExitCode.CONCERNS if pushed.concerns or pushed.failures else ExitCode.DONE


@cli.command(short_help="Show how this host stands.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def status(terminal: CliContext, as_json: bool) -> ExitCode:
    """Show how this host stands: the last push, what failed, what is unsent or owed. Asks no master.

    \b
    Example: pacha status --json
    """
    from pacha.host.status import status as action
    from pacha.ui import fleet

    found = action(terminal.context())
    click.echo(fleet.status_json(found) if as_json else fleet.status(found))
    return ExitCode.DONE if found.fine else ExitCode.CONCERNS


@cli.group(cls=Group, short_help="Push by itself: install, remove or show the job.")
def schedule() -> None:
    """Push by itself: install, remove or show the job that does so.

    \b
    Example: pacha schedule install
    """


def _job_options(command: Callable[..., ExitCode]) -> Callable[..., ExitCode]:
    for option in (
        click.option("--root", type=click.Path(path_type=Path), metavar="DIR", help="For the system below DIR."),
        click.option("--apt", is_flag=True, help="Push after every package operation, too."),
        click.option("--systemd/--cron", default=None, help="Not set: systemd where it runs, else cron."),
    ):
        command = option(command)
    return command


@schedule.command("install", short_help="Have this host push by itself.")
@_job_options
@click.pass_obj
def schedule_install(terminal: CliContext, root: Path | None, apt: bool, systemd: bool | None) -> ExitCode:
    """Have this host push by itself: a systemd timer or a file for cron, at a minute of the host's own.

    \b
    Example: pacha schedule install --apt
    """
    from pacha.host import schedule as action

    job = _job(terminal, root)
    written = action.install(job, action.uses_systemd(job.root) if systemd is None else systemd, apt)
    for path in written:
        terminal.meter.say(f"{escape(path)} is written.")
    if not written:
        terminal.meter.say("It is installed already.")
    return ExitCode.DONE


@schedule.command("remove")
@click.option("--root", type=click.Path(path_type=Path), metavar="DIR", help="From the system below DIR.")
@click.pass_obj
def schedule_remove(terminal: CliContext, root: Path | None) -> ExitCode:
    """Take away what 'install' wrote, and nothing else.

    \b
    Example: pacha schedule remove
    """
    from pacha.host import schedule as action

    gone = action.remove(root or Path("/"))
    for path in gone:
        terminal.meter.say(f"{escape(path)} is gone.")
    if not gone:
        terminal.meter.say("There was nothing to remove.")
    return ExitCode.DONE


@schedule.command("show", short_help="Print what 'install' would write.")
@_job_options
@click.pass_obj
def schedule_show(terminal: CliContext, root: Path | None, apt: bool, systemd: bool | None) -> ExitCode:
    """Print what 'install' would write, for images and configuration tools.

    \b
    Example: pacha schedule show --systemd
    """
    from pacha.host import schedule as action

    job = _job(terminal, root)
    files = job.files(action.uses_systemd(job.root) if systemd is None else systemd, apt)
    click.echo("\n".join(f"# /{name}\n{text}" for name, text in files.items()), nl=False)
    return ExitCode.DONE


def _job(terminal: CliContext, root: Path | None) -> Job:
    """The job of this machine; for another ``root``, whose configuration may be still to come, of any."""
    from pacha.host import schedule as action

    if root is not None:
        return action.job(Path(os.path.abspath(root)), platform.node(), config=terminal.config)
    context = terminal.context()
    return action.job(Path("/"), context.hostname(), context.config.frequency, terminal.config)
