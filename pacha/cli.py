"""The command line: each command parses, calls one action, shows, returns."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import pacha
from pacha.errors import ConfigError, ExitCode, PachaError

if TYPE_CHECKING:
    from pacha.actions.here import Here
    from pacha.config import Config
    from pacha.meter import Meter
    from pacha.store.state import StateFolder

_EXIT_CODES = """\b
Exit codes: 0 done; 1 failed, nothing lost; 2 usage; 3 done, with something to
look at, named on stderr; 10 configuration; 11 master not reachable, not known
or not letting us in; 12 another run holds the lock; 13 what came from the
master is damaged; 128+N ended by signal N."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the global options say."""

    config: str | None
    quiet: bool
    verbose: bool

    @property
    def meter(self) -> Meter:
        """Where to print."""
        from pacha.meter import Meter

        return Meter(quiet=self.quiet, verbose=self.verbose)

    def load(self) -> Config:
        """The configuration. Raises ConfigError, and shows the boxed warning when there is none."""
        from pacha import config

        found = config.find(self.config, os.environ, self._recorded(), os.geteuid() == 0)
        if found is None:
            self._warn_of_none()
            raise ConfigError("There is no configuration.", "none of the usual places has one", "See above.")
        loaded = config.load(found)
        for warning in loaded.warnings:
            click.echo(f"pacha: {warning}", err=True)
        return loaded

    def here(self) -> Here:
        """This machine: its configuration and its state folder."""
        from pacha.actions.here import Here

        return Here(self.load(), self._state())

    def _state(self) -> StateFolder:
        from pacha import config
        from pacha.store.state import StateFolder

        return StateFolder(config.state_folder(os.environ, os.geteuid() == 0))

    def _recorded(self) -> str | None:
        recorded = self._state().memory().get("config")
        return recorded if isinstance(recorded, str) else None

    def record_config(self, path: Path) -> None:
        """Remember where the configuration is."""
        self._state().remember(config=str(path))

    def _warn_of_none(self) -> None:
        from pacha import config, meter

        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        place = config.SYSTEM_FILE if os.geteuid() == 0 else base / "pacha" / "pacha.conf"
        click.echo(meter.no_config(str(place)), err=True)


def _set_quiet(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.obj = replace(context.obj, quiet=True)


def _set_verbose(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.obj = replace(context.obj, verbose=True)


class Command(click.Command):
    """A command that also takes -q and -v after its name."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for flags, callback in ((["-q", "--quiet"], _set_quiet), (["-v", "--verbose"], _set_verbose)):
            self.params.append(click.Option(flags, is_flag=True, expose_value=False, hidden=True, callback=callback))


class Group(click.Group):
    """The group of all commands."""

    command_class = Command


@click.group(cls=Group, epilog=_EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", metavar="FILE", help="Use this configuration file.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Print more.")
@click.version_option(pacha.__version__, message="Pacha %(version)s")
@click.pass_context
def cli(context: click.Context, config: str | None, quiet: bool, verbose: bool) -> None:
    """Keep the folders that matter under version on a master, and put them back when a machine is lost.

    Every command may also be spelt as a flag, as in the manual: 'pacha --rebuild bar'.
    """
    context.obj = Terminal(config, quiet, verbose)


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
        terminal.meter.say(f"Watching {_shown(made.path)} (kept as '{made.repository}').")
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
    terminal.meter.say(f"Watching the file {_shown(made.path)} (kept as '{made.repository}').")
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
    terminal.meter.say(f"No longer watching {_shown(gone.path)}; its history stays.")
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
    return ExitCode.CONCERNS if pushed.concerns else ExitCode.DONE


@cli.command()
@click.argument("host")
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
    target: str | None,
    delete: bool,
    owner_map: Path | None,
    accounts: str,
    yes: bool,
) -> ExitCode:
    """Put back every file of HOST: content, owner, group and mode.

    \b
    Example: pacha rebuild bar --target /srv/look
    """
    from pacha.actions import here as place
    from pacha.actions.preview import Choices, Renumbering
    from pacha.actions.rebuild import Reporter
    from pacha.actions.rebuild import rebuild as action

    here, meter = terminal.here(), terminal.meter
    place.check_host(host)
    about = place.whereabouts(here) + f"Host to rebuild: {host}"
    if yes:
        meter.say(about)
    else:
        _confirm(about)
    reporter = Reporter(on_file=meter.file, on_fetched=meter.fetched, on_plan=meter.plan, on_step=meter.step)
    where = os.fsencode(os.path.abspath(target)) if target else b""
    rebuilt = action(here, host, Choices(where, delete, owner_map, Renumbering(accounts)), reporter)
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
@click.option("--at", default="", metavar="ID", help="Compare with this snapshot instead of the last one.")
@click.pass_obj
def verify(terminal: Terminal, at: str) -> ExitCode:
    """Compare this host's watched paths with the last snapshot: content and metadata.

    \b
    Example: pacha verify
    """
    from pacha.actions.verify import verify as action

    verified = action(terminal.here(), at)
    which = f"snapshot {at}" if at else "the last snapshot"
    for difference in verified.differences:
        click.echo(f"{_shown(difference.path)}: {difference.reason}")
    if verified.differences:
        terminal.meter.say(f"{len(verified.differences)} of {verified.paths} paths differ from {which}.")
        return ExitCode.CONCERNS
    terminal.meter.say(f"All {verified.paths} paths are as in {which}.")
    return ExitCode.DONE


@cli.command("add-config")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def add_config(terminal: Terminal, file: Path) -> ExitCode:
    """Check a configuration file and remember where it is.

    \b
    Example: pacha add-config /root/pacha.conf
    """
    from pacha import config

    path = Path(os.path.abspath(file))
    config.load(path)
    terminal.record_config(path)
    terminal.meter.say(f"The configuration is {_shown(os.fsencode(path))} from now on.")
    return ExitCode.DONE


@cli.command("config-values")
@click.pass_obj
def config_values(terminal: Terminal) -> ExitCode:
    """Show every key of the configuration with its value, and what is watched."""
    from pacha.actions.watch import watched

    here = terminal.here()
    click.echo(f"# {_shown(os.fsencode(str(here.config.path)))}")
    for key, value, origin in here.config.values():
        click.echo(f"{key} = {value}" + ("    # default" if origin == "default" else ""))
    for one in watched(here):
        click.echo(f"# watched{' (file)' if one.single else ''}: {_shown(one.path)} as '{one.repository}'")
    return ExitCode.DONE


@cli.command("add-host")
@click.argument("host")
@click.option("--user", metavar="ACCOUNT", help="Give the folder to the account that HOST logs in as.")
@click.pass_obj
def add_host(terminal: Terminal, host: str, user: str | None) -> ExitCode:
    """On a master: make the folder in which HOST keeps its repositories.

    \b
    Example: pacha add-host bar --user bar_user
    """
    from pacha.actions.hosts import add_host as action

    path = action(terminal.load().hosts_path, host, user)
    terminal.meter.say(f"{_shown(path)} is ready for '{host}'" + (f" (account {user})." if user else "."))
    return ExitCode.DONE


@cli.command()
@click.option("--ssh", is_flag=True, help="Through a throw-away sshd on this machine.")
@click.pass_obj
def demo(terminal: Terminal, ssh: bool) -> ExitCode:
    """Play the whole story in a temporary folder: watch, push, crash, rebuild, compare."""
    from pacha.actions.demo import play

    return ExitCode.DONE if play(ssh, terminal.meter.say) else ExitCode.FAILED


def _confirm(about: str) -> None:
    click.echo(f"{about}\nHit Enter to confirm or Ctrl-C to cancel")
    if not sys.stdin.readline():
        raise PachaError("Nothing was done.", "there was nobody to confirm it", "Use --yes where nobody is asked.")


def _shown(path: bytes) -> str:
    from pacha.files.names import shown

    return shown(path)
