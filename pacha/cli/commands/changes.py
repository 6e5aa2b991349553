"""changes: on a master, one timeline of all hosts."""

from __future__ import annotations

import time

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.fleet_arguments import HOSTS_OPTION, open_fleet, split_globs, warn_faults
from pacha.errors import ExitCode
from pacha.fleet.changes import changes
from pacha.fleet.drift import absolute
from pacha.store.revspec import begin_of
from pacha.ui import history
from pacha.ui.changes import MOST, change_lines, document


@cli.command("changes")
@click.argument("path", default="/")
@click.option("--since", default="yesterday", show_default=True, metavar="WHEN", help="From then on.")
@HOSTS_OPTION
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def changes_command(cli_context: CliContext, path: str, since: str, hosts: str, as_json: bool) -> ExitCode:
    """On a master: show the snapshots of all hosts on one timeline, with the paths that each touched.

    With a PATH, only those that touched it or something below it. -v shows all paths. The times are those of the
    hosts' own clocks; one that is ahead is marked.

    \b
    Example: pacha changes --since '3 days ago'
             pacha changes /etc/ssh --hosts 'web*' --since 2026-11-01
    """
    now = time.time()
    with open_fleet(cli_context) as fleet:
        globs = split_globs(hosts)
        most = None if as_json or cli_context.verbose else MOST
        found = changes(fleet, begin_of(since, now), now, globs, absolute(path), most)
        if as_json:
            for line in document(found, fleet.faults(globs)):
                click.echo(line)
        else:
            lines = (line for one in found for line in change_lines(one, every=cli_context.verbose))
            history.show(f"{line}\n".encode() for line in lines)
        return warn_faults(cli_context, fleet.faults(globs))
