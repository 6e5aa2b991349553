"""init: write this host's configuration and make a key."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, UsageError
from pacha.host import init
from pacha.host.watch import in_the_clear
from pacha.system.home import ssh_dir
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.host.init import Answers


@cli.command("init")
@click.option("--host", metavar="MASTER", help="The master, or 'local' for a folder of this machine.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="PORT", help="Of the master's sshd, if it is not 22.")
@click.option("--user", metavar="ACCOUNT", help="The account on the master.")
@click.option("--hostname", metavar="NAME", help="This machine's name on the master.")
@click.option("--watch", "paths", multiple=True, type=click.Path(), help="What to watch; may be repeated.")
@click.option("--key", type=click.Path(), metavar="FILE", help="The private key; one is made if FILE is not there.")
@click.option("--force", is_flag=True, help="Replace a configuration that is there.")
@click.pass_obj
def init_command(
    cli_context: CliContext,
    host: str | None,
    port: int | None,
    user: str | None,
    hostname: str | None,
    paths: tuple[str, ...],
    key: str | None,
    force: bool,
) -> ExitCode:
    """Write this host's configuration: four questions, or options instead. Says what to do next.

    At a terminal it offers to seal the private keys and password files that it finds.

    \b
    Example: pacha init
             pacha init --host master.example.com --user bar_user --watch /etc
    """
    place = (
        Path(os.path.abspath(cli_context.config))
        if cli_context.config
        else cli_context.found() or cli_context.usual_place()
    )
    init.refuse(place, force)
    host = host or _asked("The master (a host name, or 'local' for a folder of this machine)", "master", "--host")
    alone = host == "local"
    if user is None:
        user = "" if alone else _asked("The account on the master", f"{init.suggested_hostname()}_user", "--user")
    if hostname is None:
        hostname = _asked("This machine's name on the master", init.suggested_hostname(), "--hostname")
    if not paths:
        paths = tuple(_asked("What to watch, separated by spaces", "/etc", "--watch").split())
    private = None if alone else _key(key)
    key_setting = "" if private is None or (key is None and private == init.usual_key()) else str(private)
    answers = init.Answers(host=host, user=user, hostname=hostname, key=key_setting, port=port)
    answers = _sealing(answers, [os.fsencode(path) for path in paths])
    return _set_up(cli_context, answers, place, paths, private, force)


def _asked(question: str, default: str, option: str) -> str:
    """Ask ``question`` and return the answer. Raises UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError(
            "Nothing was written.", f"nobody can be asked for {option}", f"Give it: {option} ...", code="value-needed"
        )
    return str(click.prompt(question, default=default))


def _key(key_file: str | None) -> Path | None:
    """The private key to use: ``key_file``, else the usual one, else a new one; None for a person who wants none."""
    if key_file is not None:
        return Path(os.path.abspath(os.path.expanduser(key_file)))
    usual, place = init.usual_key(), Path(ssh_dir(), "id_ed25519")
    if usual or not sys.stdin.isatty():
        return usual or place
    return place if click.confirm(f"There is no SSH key here. Make one ({place})", default=True) else None


def _sealing(answers: Answers, paths: list[bytes]) -> Answers:
    """``answers``, which seal the secrets below ``paths`` if a person says for whom. Raises ConfigError."""
    found = init.secrets_below(paths) if sys.stdin.isatty() else None
    if not found:
        return answers
    click.echo(f"{found.words} will be readable on the master, unless sealed (share/doc/pacha/sealing.rst).")
    file = click.prompt("Seal for the public keys in FILE (Enter: do not seal)", default="", show_default=False)
    return init.sealing(answers, found, str(file)) if file else answers


def _set_up(
    cli_context: CliContext, answers: Answers, place: Path, paths: tuple[str, ...], private: Path | None, force: bool
) -> ExitCode:

    watch_paths, say = [os.fsencode(path) for path in paths], cli_context.console.say
    configuration = init.check(answers, place, watch_paths)
    if private and init.make_key(private, f"pacha@{answers.hostname}"):
        say(f"Made the key {escape(private)}, without a passphrase: a job that nobody attends uses it.")
    init.write(answers, place, force=force)
    say(f"Wrote {escape(place)}.")
    if cli_context.config:
        cli_context.record_config(place)
    context = cli_context.context()
    watched_paths = init.watch_all(context, watch_paths)
    for watched in watched_paths:
        say(f"Watching {escape(watched)}.")
    if secrets := in_the_clear(context, watched_paths):
        say(secrets)
    say("")
    for line in init.next_steps(answers, configuration, init.public_half(private) if private else ""):
        say(line)
    return ExitCode.DONE
