"""The first minutes: a configuration, whether all is well, the demonstration, completion in the shell."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, UsageError
from pacha.text import escape

if TYPE_CHECKING:
    from pathlib import Path

    from pacha.host.init import Answers


@cli.command(short_help="Write this host's configuration, make a key.")
@click.option("--host", metavar="MASTER", help="The master, or 'local' for a folder of this machine.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", help="Of the master's sshd, if it is not 22.")
@click.option("--user", metavar="ACCOUNT", help="The account on the master.")
@click.option("--hostname", metavar="NAME", help="This machine's name on the master.")
@click.option("--watch", "paths", multiple=True, type=click.Path(), help="What to watch; may be given again.")
@click.option("--key", type=click.Path(), metavar="FILE", help="The private key; one is made if FILE is not there.")
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
@click.pass_obj
def init(
    terminal: CliContext,
    host: str | None,
    port: int | None,
    user: str | None,
    hostname: str | None,
    paths: tuple[str, ...],
    key: str | None,
    force: bool,
) -> ExitCode:
    """Write this host's configuration: four questions, or options instead. Says what to do next.

    \b
    Example: pacha init
             pacha init --host master.example.com --user bar_user --watch /etc --key /root/.ssh/id_pacha
    """
    from pathlib import Path

    from pacha.host import init as action

    place = Path(os.path.abspath(terminal.config)) if terminal.config else terminal.found() or terminal.usual_place()
    action.refuse(place, force)
    host = host or _asked("The master (a host name, or 'local' for a folder of this machine)", "master", "--host")
    alone = host == "local"
    if user is None:
        user = "" if alone else _asked("The account on the master", f"{action.suggested_hostname()}_user", "--user")
    if hostname is None:
        hostname = _asked("This machine's name on the master", action.suggested_hostname(), "--hostname")
    if not paths:
        paths = tuple(_asked("What to watch, separated by spaces", "/etc", "--watch").split())
    private = None if alone else _key(key)
    named = "" if private is None or (key is None and private == action.usual_key()) else str(private)
    answers = action.Answers(host, user, hostname, named, port)
    return _set_up(terminal, answers, place, paths, private, force)


def _asked(question: str, default: str, option: str) -> str:
    """The answer of a person. Raises UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError("Nothing was written.", f"nobody can be asked for {option}", f"Give it: {option} ...")
    return str(click.prompt(question, default=default))


def _key(named: str | None) -> Path | None:
    """The private key to use: the one named, the usual one, or one that a person wants made; None for none."""
    from pathlib import Path

    from pacha.host import init as action

    if named is not None:
        return Path(os.path.abspath(os.path.expanduser(named)))
    usual = action.usual_key()
    if usual or not sys.stdin.isatty():
        return usual
    place = Path(os.path.expanduser("~/.ssh/id_ed25519"))
    return place if click.confirm(f"There is no SSH key here. Make one ({place})", default=True) else None


def _set_up(
    terminal: CliContext, answers: Answers, place: Path, paths: tuple[str, ...], private: Path | None, force: bool
) -> ExitCode:
    from pacha.host import init as action

    wanted, say = [os.fsencode(path) for path in paths], terminal.meter.say
    made = action.check(answers, place, wanted)
    if private and action.make_key(private, f"pacha@{answers.hostname}"):
        say(f"Made the key {escape(private)}, without a passphrase: a job that nobody attends uses it.")
    action.write(answers, place, force=force)
    say(f"Wrote {escape(place)}.")
    if terminal.config:
        terminal.record_config(place)
    for watched in action.watch_all(terminal.context(), wanted):
        say(f"Watching {escape(watched)}.")
    say("")
    for line in action.next_steps(answers, made, action.public_half(private) if private else ""):
        say(line)
    return ExitCode.DONE


@cli.command(short_help="Check that all is well, and say how to mend what is not.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def doctor(terminal: CliContext, as_json: bool) -> ExitCode:
    """Check that all is well here and on the master, and say how to mend what is not. Changes nothing.

    \b
    Example: pacha doctor --json
    """
    from pacha.host import doctor as action
    from pacha.ui import overview

    checks = []
    for check in action.inspect(terminal.load_quietly, terminal.state()):
        checks.append(check)
        if not as_json and (check.code or not terminal.quiet):
            click.echo(overview.check(check))
    if as_json:
        click.echo(json.dumps([overview.check_json(check) for check in checks], indent=2))
    return action.exit_code(checks)


@cli.command(short_help="Print what completes commands and options in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> ExitCode:
    """Print what makes SHELL complete the commands and options of pacha.

    \b
    Example: pacha completion bash > /etc/bash_completion.d/pacha
             pacha completion zsh > /usr/local/share/zsh/site-functions/_pacha
             pacha completion fish > ~/.config/fish/completions/pacha.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"Nothing is known of the shell {shell}.", "", "Name another.")
    # Not source(): it asks bash(1) for its version, and prints a warning where there is none.
    made = kind(cli, {}, "pacha", "_PACHA_COMPLETE")
    click.echo(made.source_template % made.source_vars())
    return ExitCode.DONE


@cli.command("add-config")
@click.argument("file", type=click.Path())
@click.pass_obj
def add_config(terminal: CliContext, file: str) -> ExitCode:
    """Check a configuration file and remember where it is.

    \b
    Example: pacha add-config /root/pacha.conf
    """
    from pathlib import Path

    from pacha.config.load import load_config

    path = Path(os.path.abspath(file))
    load_config(path)
    terminal.record_config(path)
    terminal.meter.say(f"The configuration is {escape(path)} from now on.")
    return ExitCode.DONE


@cli.command("config-values", short_help="Show the configuration, and what is watched.")
@click.pass_obj
def config_values(terminal: CliContext) -> ExitCode:
    """Show every key of the configuration with its value, and what is watched.

    \b
    Example: pacha config-values
    """
    from pacha.host.watch import watched

    context = terminal.context()
    click.echo(f"# {escape(str(context.config.path))}")
    for key, value, origin in context.config.values():
        click.echo(f"{key} = {value}" + ("    # default" if origin == "default" else ""))
    for one in watched(context):
        click.echo(f"# watched{' (file)' if one.single else ''}: {escape(one.path)} as '{one.repository}'")
    return ExitCode.DONE


@cli.command(short_help="Play the whole story in a temporary folder.")
@click.option("--ssh", is_flag=True, help="Through a throw-away sshd on this machine.")
@click.pass_obj
def demo(terminal: CliContext, ssh: bool) -> ExitCode:
    """Play the whole story in a temporary folder: watch, push, crash, rebuild, compare.

    \b
    Example: pacha demo --ssh
    """
    from pacha.demo import play

    return ExitCode.DONE if play(ssh, terminal.meter.say) else ExitCode.FAILED
