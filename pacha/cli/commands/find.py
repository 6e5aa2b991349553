"""find: on a master, find paths by their name on all hosts."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.fleet_arguments import HOSTS_OPTION, open_fleet, split_globs, warn_faults
from pacha.errors import ExitCode
from pacha.fleet.find import find
from pacha.ui import history
from pacha.ui.console import print_json
from pacha.ui.find import found_json, found_text


@cli.command("find")
@click.argument("glob", metavar="NAME-GLOB")
@HOSTS_OPTION
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def find_command(cli_context: CliContext, glob: str, hosts: str, as_json: bool) -> ExitCode:
    """On a master: find paths by their name in the newest snapshots of all hosts, and what each host has there.

    A glob with a '/' in it is compared with the whole path; '*' also means a '/'.

    \b
    Example: pacha find 'authorized_keys*'
             pacha find '/etc/cron.d/*' --hosts 'web*'
    """
    with open_fleet(cli_context) as fleet:
        globs = split_globs(hosts)
        found = find(fleet, glob, globs)
        if as_json:
            every = [found_json(one) for one in found]
            print_json({"found": every, "faults": fleet.faults(globs)})
        else:
            history.show(f"{found_text(one)}\n".encode() for one in found)
        return warn_faults(cli_context, fleet.faults(globs))
