"""schedule: let this host push by itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from pacha.cli.app import Group, cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.host import runner, schedule
from pacha.host.schedule import Job
from pacha.text import escape


@cli.group("schedule", cls=Group)
def schedule_group() -> None:
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


@schedule_group.command("install", short_help="Have this host push by itself.")
@_job_options
@click.pass_obj
def schedule_install(cli_context: CliContext, root: Path | None, apt: bool, systemd: bool | None) -> ExitCode:
    """Have this host push by itself: a systemd timer or a file for cron, at a minute of the host's own.

    Exit code 3 if nothing here runs such a job.

    \b
    Example: pacha schedule install --apt
    """
    job = _job(cli_context, root)
    written = schedule.install(job, schedule.uses_systemd(job.root) if systemd is None else systemd, apt)
    for path in written:
        cli_context.console.tell(f"{escape(path)} is written.")
    if not written:
        cli_context.console.tell("It is installed already.")
    return _check(cli_context, job)


@schedule_group.command("remove")
@click.option("--root", type=click.Path(path_type=Path), metavar="DIR", help="From the system below DIR.")
@click.pass_obj
def schedule_remove(cli_context: CliContext, root: Path | None) -> ExitCode:
    """Take away what 'install' wrote, and nothing else.

    \b
    Example: pacha schedule remove
    """
    removed = schedule.remove(root or Path("/"))
    for path in removed:
        cli_context.console.tell(f"{escape(path)} is gone.")
    if not removed:
        cli_context.console.tell("There was nothing to remove.")
    return ExitCode.DONE


@schedule_group.command("show", short_help="Print what 'install' would write.")
@_job_options
@click.pass_obj
def schedule_show(cli_context: CliContext, root: Path | None, apt: bool, systemd: bool | None) -> ExitCode:
    """Print what 'install' would write, for images and configuration tools.

    \b
    Example: pacha schedule show --systemd
    """
    job = _job(cli_context, root)
    files = job.files(schedule.uses_systemd(job.root) if systemd is None else systemd, apt)
    click.echo("\n".join(f"# /{name}\n{text}" for name, text in files.items()), nl=False)
    return ExitCode.DONE


def _check(cli_context: CliContext, job: Job) -> ExitCode:
    """Say if nothing will run the job."""
    idle = runner.idle(job.root)
    if idle is None:
        return ExitCode.DONE
    cli_context.console.warn(f"nothing runs it: {idle.words}")
    return ExitCode.CONCERNS


def _job(cli_context: CliContext, root: Path | None) -> Job:
    """The job for this machine, or for the system at ``root``, which may not have a configuration yet."""
    if root is not None:
        return schedule.job(Path(os.path.abspath(root)), os.uname().nodename, config=cli_context.config)
    context = cli_context.context()
    context.config.masters()  # a machine without one has nothing to push to
    return schedule.job(Path("/"), context.hostname(), context.config.frequency, cli_context.config)
