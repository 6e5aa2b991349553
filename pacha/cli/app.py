"""The group of all commands, and the global options, which are given before the command."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

import pacha
from pacha.cli.context import CliContext
from pacha.errors import Signalled
from pacha.system.proc import require_proc, require_working_directory

#: Words of other tools, and Pacha's for the same thing.
_OF_OTHER_TOOLS: Mapping[str, str] = {
    "add": "watch", "backup": "push", "commit": "push", "create": "push", "extract": "rebuild", "forget": "purge",
    "list": "log", "prune": "purge", "restore": "rebuild", "snapshots": "log",
}  # fmt: skip
#: Each command: its module in ``cli.commands``, which is imported when the command is used, and its line in --help.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "add-config": ("config", "Check a configuration file and remember where it is."),
    "add-host": ("add_host", "Make a host's folder on this master, and let its key in."),
    "annotate": ("annotate", "Show when each line of a file came in, who pushed it."),
    "cat": ("cat", "Print a file as a snapshot has it, byte for byte."),
    "changes": ("changes", "Show what changed on all hosts, as one timeline."),
    "check": ("check", "Could each host be rebuilt now?"),
    "completion": ("completion", "Print what completes commands and options in a shell."),
    "config-values": ("config", "Show the configuration, and what is watched."),
    "demo": ("demo", "Play the whole story in a temporary folder."),
    "diff": ("diff", "Show what differs between snapshots, or from the disk."),
    "doctor": ("doctor", "Check that all is well, and say how to fix what is not."),
    "digest": ("digest", "Mail what changed on all hosts."),
    "drift": ("drift", "Which hosts have something else than the others?"),
    "export": ("export", "Write what a snapshot has as a tar archive."),
    "facts": ("facts", "Show what machine a host was."),
    "find": ("find", "Find paths by their name on all hosts."),
    "grep": ("grep", "Search the contents of all hosts."),
    "hosts": ("hosts", "Show every host, the late ones first."),
    "init": ("init", "Write this host's configuration, make a key."),
    "log": ("log", "List the snapshots, newest first."),
    "ls": ("ls", "List what a snapshot has at a path."),
    "packages": ("packages", "List the packages that a host had."),
    "purge": ("purge", "Erase content from a host's history."),
    "push": ("push", "Send what changed to every master, as one snapshot."),
    "rebuild": ("rebuild", "Put back every file of a host, or a part of them."),
    "rename": ("rename", "Give a host another name."),
    "report": ("report", "Write pages that show all hosts."),
    "restore-db": ("restore_db", "Get a host's history back from the master, no file of it."),
    "retire": ("retire", "Put a host away, so that all of it can come back."),
    "seal": ("seal", "List what is sealed, and prove that it can be opened."),
    "schedule": ("schedule", "Push by itself: install, remove or show the job."),
    "serve": ("serve", "The forced command behind the key of HOST."),
    "status": ("status", "Show how this host stands."),
    "undo": ("undo", "Take back what the last rebuild did."),
    "unwatch": ("watch", "Stop watching a path; what was kept of it stays."),
    "verify": ("verify", "Compare what is watched with the last snapshot."),
    "watch": ("watch", "Watch directories, with everything below them."),
    "watch-single": ("watch", "Watch one file."),
}
#: The sections of --help, in which every command stands once, in the order in which it is needed.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Setting up a host": (
        "init", "watch", "watch-single", "unwatch", "schedule", "doctor", "config-values", "add-config",
    ),
    "On a host": (
        "push", "status", "log", "diff", "ls", "cat", "export", "annotate", "facts", "packages", "verify",
        "seal",
    ),
    "Putting a host back": ("rebuild", "undo", "restore-db"),
    "On a master": ("add-host", "hosts", "check", "purge", "rename", "retire", "serve"),
    "All hosts of a master": ("find", "grep", "drift", "changes", "digest", "report"),
    "Beside": ("demo", "completion"),
}  # fmt: skip
_OPTIONS_WITH_VALUE = ("--config",)
_EXIT_CODES = """\b
Exit codes: 0 done; 1 failed, nothing lost; 2 usage; 3 done, with something to
look at, named on stderr; 10 configuration; 11 master not reachable, not known
or not letting us in; 12 another run holds the lock; 13 what came from the
master is damaged; 128+N ended by signal N.

\b
The manual: share/doc/pacha, below where Pacha is installed."""


def _set(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Set ``quiet`` or ``verbose`` of the context, as the option is called."""
    if value:
        context.obj = replace(context.obj, **{str(parameter.name): True})


class Command(click.Command):
    """A command that also takes -q and -v after its name."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for flags in (["-q", "--quiet"], ["-v", "--verbose"]):
            self.params.append(click.Option(flags, is_flag=True, expose_value=False, hidden=True, callback=_set))

    def invoke(self, ctx: click.Context) -> Any:
        """As click, but stop before anything where the system lacks what every command relies on."""
        require_proc()
        require_working_directory()
        return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click, but say where --config belongs."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name != "--config":
                raise
            where = f"It stands before the command: pacha --config FILE {self.name}"
            raise click.NoSuchOption(error.option_name, f"{error.message} {where}", ctx=ctx) from None


class Group(click.Group):
    """The group of all commands."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click, but suggest the nearest command for a misspelt one ('--rebiuld')."""
        try:
            return super().parse_args(ctx, args)
        except BrokenPipeError:  # --help and --version print already
            raise Signalled(signal.SIGPIPE) from None
        except click.NoSuchOption as error:
            name = error.option_name.lstrip("-").partition("=")[0]
            near = get_close_matches(name, self.list_commands(ctx))
            if not near or error.possibilities:
                raise
            possibilities = [f"--{match}" for match in near]
            raise click.NoSuchOption(error.option_name, possibilities=possibilities, ctx=ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, but suggest the nearest command for an unknown one, as newer versions of click do."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            meant = _OF_OTHER_TOOLS.get(args[0]) if self.get_command(ctx, "push") else None
            near = [meant] if meant else get_close_matches(args[0], self.list_commands(ctx), n=1)
            if not near or f"'{near[0]}'" in error.message:
                raise
            said = f"No such command '{args[0]}'." if meant else error.message  # click names what only looks like it
            raise click.UsageError(f"{said} Did you mean '{near[0]}'?", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. A closed output ends it as SIGPIPE would; click's exit code is 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise Signalled(signal.SIGPIPE) from None


class LazyGroup(Group):
    """The group of ``COMMANDS``, which imports the module of a command when the command is used."""

    def list_commands(self, ctx: click.Context | None) -> list[str]:
        """The names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context | None, cmd_name: str) -> click.Command | None:
        """The command of that name, None for none. Its module adds it to this group when imported."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            import_module(f"pacha.cli.commands.{COMMANDS[cmd_name][0]}")
        return self.commands.get(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by what they are for, in one column, without importing them."""
        width = max(map(len, COMMANDS))
        for title, words in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{word:<{width}}", COMMANDS[word][1]) for word in words])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--config", metavar="FILE", help="Use this configuration file.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Print more.")
@click.version_option(pacha.__version__, message="Pacha %(version)s")
@click.pass_context
def cli(context: click.Context, config: str | None, quiet: bool, verbose: bool) -> None:
    """Keep the folders that matter under version on a master, and put them back when a machine is lost.

    Every command may also be spelt as a flag, as in 'pacha --rebuild bar'. What a command does in detail: pacha COMMAND
    --help

    \b
    Example: pacha            (how things stand, and what to do next)
             pacha init
             pacha push
    """
    context.obj = CliContext(config, quiet, verbose)
    if context.invoked_subcommand is None:
        from pacha.cli.overview import show_overview  # no command needs it

        show_overview(context.obj)


def spelt_as_command(arguments: list[str]) -> list[str]:
    """Turn ``--rebuild bar`` and ``--rebuild=bar``, after the global options, into ``rebuild bar``."""
    words = list(arguments)
    position = 0
    while position < len(words) and words[position].startswith("-"):
        name, equals, value = words[position].partition("=")
        if name[2:] in COMMANDS and name.startswith("--"):
            words[position : position + 1] = [name[2:], value] if equals else [name[2:]]
            break
        position += 2 if name in _OPTIONS_WITH_VALUE and not equals else 1
    return words
