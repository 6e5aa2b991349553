"""add-config and config-values: where the configuration is, and what it says."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.config.load import load_config
from pacha.errors import ExitCode
from pacha.host.watch import watched
from pacha.text import escape


@cli.command("add-config")
@click.argument("file", type=click.Path())
@click.pass_obj
def add_config_command(cli_context: CliContext, file: str) -> ExitCode:
    """Check a configuration file and remember where it is.

    \b
    Example: pacha add-config /root/pacha.conf
    """
    path = Path(os.path.abspath(file))
    load_config(path)
    cli_context.record_config(path)
    cli_context.console.tell(f"The configuration is {escape(path)} from now on.")
    return ExitCode.DONE


@cli.command("config-values")
@click.pass_obj
def config_values_command(cli_context: CliContext) -> ExitCode:
    """Show every key of the configuration with its value, and what is watched: itself a configuration file.

    \b
    Example: pacha config-values
    """
    context = cli_context.context()
    click.echo(f"# {escape(str(context.config.path))}; what stands behind a '#' is the default\n[DEFAULT]")
    for key, value, origin in context.config.values():
        click.echo(("# " if origin == "default" else "") + f"{key} = {value}".rstrip())
    for entry in watched(context):
        click.echo(f"# watched{' (file)' if entry.single else ''}: {escape(entry.path)} as '{entry.repository}'")
    return ExitCode.DONE
