"""grep: on a master, search the contents of all hosts."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.fleet_arguments import HOSTS_OPTION, open_fleet, split_globs, warn_faults
from pacha.errors import ExitCode
from pacha.files.content import WHOLE_LIMIT
from pacha.fleet import grep
from pacha.fleet.drift import absolute
from pacha.fleet.history_grep import HistoryMatch, grep_history
from pacha.ui import grep as shown
from pacha.ui import history
from pacha.ui.console import print_json, size_text


@cli.command("grep")
@click.argument("regex")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@HOSTS_OPTION
@click.option("--history", "all_history", is_flag=True, help="All that one host ever had; with --hosts HOST.")
@click.option("--without", is_flag=True, help="The hosts in which nothing matches.")
@click.option("-l", "--files-with-matches", "names", is_flag=True, help="Only HOST:PATH.")
@click.option("-i", "--ignore-case", is_flag=True, help="Capital and small letters are the same.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def grep_command(
    cli_context: CliContext, regex: str, paths: tuple[str, ...], hosts: str, all_history: bool, without: bool,
    names: bool, ignore_case: bool, as_json: bool,
) -> ExitCode:  # fmt: skip
    """On a master: search the newest contents of all hosts at or below PATHS (everywhere) for a regular expression.

    The expression is one of Python's (re). Each distinct content is read once. Files of more than 16 MB are passed
    over, and counted.

    \b
    Example: pacha grep '^PermitRootLogin yes' /etc/ssh
             pacha grep --without '^PermitRootLogin no' /etc/ssh/sshd_config
             pacha grep --history 10.1.2.3 /etc/hosts --hosts bar
    """
    pattern, folders = grep.compiled(regex, ignore_case=ignore_case), [absolute(path) for path in paths]
    with open_fleet(cli_context) as fleet:
        if all_history:
            found = grep_history(fleet, pattern, folders, split_globs(hosts))
            _show_history(found, as_json=as_json)
            return warn_faults(cli_context, [])
        search = grep.grep(fleet, pattern, folders, split_globs(hosts))
    if as_json:
        print_json(shown.search_json(search))
    elif without:
        history.show(f"{host}\n".encode() for host in search.without)
    else:
        lines = shown.name_lines if names else shown.match_lines
        history.show(f"{line}\n".encode() for match in search.matches for line in lines(match))
    if search.sealed:
        cli_context.console.warn(f"{search.sealed} sealed contents were passed over")
    if search.large:
        cli_context.console.warn(f"{search.large} contents of more than {size_text(WHOLE_LIMIT)} were passed over")
    return warn_faults(cli_context, search.faults)


def _show_history(found: list[HistoryMatch], *, as_json: bool) -> None:
    if as_json:
        print_json({"matches": [shown.history_match_json(match) for match in found]})
    else:
        history.show(f"{line}\n".encode() for match in found for line in shown.history_match_lines(match))
