"""Where the configuration is and what it says; the demonstration."""

from __future__ import annotations

import os

import click

from pacha.cli.group import cli
from pacha.cli.terminal import Terminal, shown
from pacha.errors import ExitCode


@cli.command("add-config")
@click.argument("file", type=click.Path())
@click.pass_obj
def add_config(terminal: Terminal, file: str) -> ExitCode:
    """Check a configuration file and remember where it is.

    \b
    Example: pacha add-config /root/pacha.conf
    """
    from pathlib import Path

    from pacha import config

    path = Path(os.path.abspath(file))
    config.load(path)
    terminal.record_config(path)
    terminal.meter.say(f"The configuration is {shown(os.fsencode(path))} from now on.")
    return ExitCode.DONE


@cli.command("config-values")
@click.pass_obj
def config_values(terminal: Terminal) -> ExitCode:
    """Show every key of the configuration with its value, and what is watched."""
    from pacha.actions.watch import watched

    here = terminal.here()
    click.echo(f"# {shown(os.fsencode(str(here.config.path)))}")
    for key, value, origin in here.config.values():
        click.echo(f"{key} = {value}" + ("    # default" if origin == "default" else ""))
    for one in watched(here):
        click.echo(f"# watched{' (file)' if one.single else ''}: {shown(one.path)} as '{one.repository}'")
    return ExitCode.DONE


@cli.command()
@click.option("--ssh", is_flag=True, help="Through a throw-away sshd on this machine.")
@click.pass_obj
def demo(terminal: Terminal, ssh: bool) -> ExitCode:
    """Play the whole story in a temporary folder: watch, push, crash, rebuild, compare."""
    from pacha.actions.demo import play

    return ExitCode.DONE if play(ssh, terminal.meter.say) else ExitCode.FAILED
