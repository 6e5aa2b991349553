"""watch, watch-single and unwatch: choose what this host keeps."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.host.context import Context
from pacha.host.watch import in_the_clear, unwatch, watch
from pacha.server.role import is_master_alone
from pacha.text import escape


@cli.command("watch")
@click.argument("paths", nargs=-1, required=True, type=click.Path())
@click.pass_obj
def watch_command(cli_context: CliContext, paths: Sequence[str]) -> ExitCode:
    """Watch directories: everything below them is kept from the next push on.

    \b
    Example: pacha watch /etc /opt/foo
    """
    context = cli_context.context()
    watched_paths = []
    for path in paths:
        watched = watch(context, os.fsencode(path))
        watched_paths.append(watched.path)
        cli_context.console.tell(f"Watching {escape(watched.path)} (kept as '{watched.repository}').")
    _tell_secrets(cli_context, context, watched_paths)
    return _pushed_by(cli_context, context)


@cli.command("watch-single")
@click.argument("file", type=click.Path())
@click.pass_obj
def watch_single_command(cli_context: CliContext, file: str) -> ExitCode:
    """Watch one file.

    \b
    Example: pacha watch-single /opt/foo/app.conf
    """
    context = cli_context.context()
    watched = watch(context, os.fsencode(file), single=True)
    cli_context.console.tell(f"Watching the file {escape(watched.path)} (kept as '{watched.repository}').")
    _tell_secrets(cli_context, context, [watched.path])
    return _pushed_by(cli_context, context)


def _pushed_by(cli_context: CliContext, context: Context) -> ExitCode:
    """CONCERNS on a master that pushes nowhere: it keeps the files of its hosts there, and not its own."""
    if not is_master_alone(context.config):
        return ExitCode.DONE
    cli_context.console.warn(
        "this machine is a master and pacha.host is not set: nothing of its own is pushed anywhere.\n"
        "  To keep its files beside those of its hosts: pacha.host = local\n"
        "  To send them to another master: pacha.host = NAME"
    )
    return ExitCode.CONCERNS


def _tell_secrets(cli_context: CliContext, context: Context, paths: Sequence[bytes]) -> None:
    if secrets := in_the_clear(context, paths):
        cli_context.console.tell(secrets)


@cli.command("unwatch")
@click.argument("path", type=click.Path())
@click.pass_obj
def unwatch_command(cli_context: CliContext, path: str) -> ExitCode:
    """Stop watching a path; what was kept of it stays in the history.

    \b
    Example: pacha unwatch /opt/foo
    """
    unwatched = unwatch(cli_context.context(), os.fsencode(path))
    cli_context.console.tell(f"No longer watching {escape(unwatched.path)}; its history stays.")
    return ExitCode.DONE
