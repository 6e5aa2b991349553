"""export: write a snapshot as a tar archive."""

from __future__ import annotations

import os
import sys

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import warn_unreadable
from pacha.errors import Concern, ExitCode, UsageError
from pacha.history import access, lookup
from pacha.history.export import export, not_in_a_tar, selected
from pacha.store import selection
from pacha.ui.console import at_terminal


@cli.command("export")
@click.argument("host", default="")
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@click.option("--path", default="", type=click.Path(), help="Only this, and what is below it.")
@click.pass_obj
def export_command(cli_context: CliContext, host: str, at: str, path: str) -> ExitCode:
    """Write what a snapshot of HOST has to standard output, as a tar archive.

    It has ACLs, extended attributes and the names of owners. As root, the last line below puts it back exactly.

    \b
    Example: pacha export bar > bar.tar
             pacha export bar --path /etc/nginx --at yesterday > nginx.tar
             tar --acls --xattrs --xattrs-include='*' -xpf bar.tar -C DIR
    """
    if at_terminal():
        raise UsageError(
            "An archive is not written to a terminal.",
            hint="Send it to a file: pacha export bar > bar.tar",
            code="archive-to-terminal",
        )
    with access.open_history(cli_context.history_context(host), host) as snapshots:
        snapshot = snapshots.snapshot(snapshots.find(at))
        folder = lookup.candidate_in(snapshot, selection.path_candidates(os.fsencode(path))) if path else b""
        entries = selected(snapshot, folder)
        purged: list[tuple[bytes, str]] = []
        for chunk in export(snapshot, entries, lambda entry: snapshots.content(snapshot, entry), purged):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        lost = [Concern(name, f"not in the archive: {what}") for name, what in (*not_in_a_tar(entries), *purged)]
        cli_context.console.concerns(lost)
        return ExitCode.CONCERNS if lost else warn_unreadable(cli_context, snapshots)
