"""seal: list what is sealed, and prove that it can be opened."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import HOST_OPTION, warn_unreadable
from pacha.cli.identity import IDENTITY_OPTION, read_identities
from pacha.errors import ExitCode, UsageError
from pacha.history import access, seal_check
from pacha.text import escape


@cli.command("seal")
@click.option("--check", "is_check", is_flag=True, help="Open all of it with --identity, and keep nothing.")
@IDENTITY_OPTION
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@HOST_OPTION
@click.pass_obj
def seal_command(cli_context: CliContext, is_check: bool, identities: tuple[str, ...], at: str, host: str) -> ExitCode:
    """List the files that a snapshot has sealed; with --check, prove that an identity opens them.

    What is sealed and for whom, the configuration says: pacha.seal, pacha.seal.to.

    \b
    Example: pacha seal
             pacha seal --check --identity /media/stick/offline.txt
    """
    if is_check and not identities:
        raise UsageError(
            "Nothing was checked: --check needs an identity.",
            "only that opens what is sealed",
            "Give one: pacha seal --check --identity FILE",
            code="identity-needed",
        )
    opening = read_identities(identities)
    with access.open_history(cli_context.history_context(host), host) as history:
        if not is_check:
            snapshot = history.snapshot(history.find(at))
            for path in sorted(path for path, entry in snapshot.entries.items() if entry.sealed is not None):
                click.echo(escape(path))
            return warn_unreadable(cli_context, history)
        checked = seal_check.check(history, opening, at)
        cli_context.console.concerns(checked.concerns)
        opened = checked.sealed - len(checked.concerns)
        cli_context.console.tell(f"{opened} of {checked.sealed} sealed files of {checked.node[:12]} can be opened.")
        return ExitCode.CONCERNS if checked.concerns else warn_unreadable(cli_context, history)
