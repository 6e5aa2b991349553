"""drift: on a master, which hosts have something else than the others."""

from __future__ import annotations

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.fleet_arguments import open_fleet, split_globs, warn_faults
from pacha.errors import ExitCode, UsageError
from pacha.fleet import drift
from pacha.fleet.drift import Drift
from pacha.ui import history
from pacha.ui.console import print_json
from pacha.ui.drift import Diffs, drift_json, drift_lines, drift_name


@cli.command("drift")
@click.argument("words", nargs=-1, metavar="[PATH] [HOST|GLOB...]")
@click.option("--like", default="", metavar="HOST,...", help="Compare one whole host with these.")
@click.option("--packages", is_flag=True, help="The versions of packages, not the files.")
@click.option("--content", "content_only", is_flag=True, help="Owner, group and mode may differ.")
@click.option("--names", is_flag=True, help="Only the names of what differs, and how many hosts have each.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def drift_command(
    cli_context: CliContext, words: tuple[str, ...], like: str, packages: bool, content_only: bool, names: bool,
    as_json: bool,
) -> ExitCode:  # fmt: skip
    """On a master: group the hosts by what they have at PATH, the largest group first, with a diff to each other one.

    The same is the same content, owner, group and mode. Of a directory, what is in it is compared as well, and only
    what differs is shown, without what pacha.drift.ignore names. --like shows where HOST has what none of those has.
    Exit code 3 if there is more than one group.

    \b
    Example: pacha drift /etc/ssh/sshd_config
             pacha drift /etc/apt 'web*'
             pacha drift bar --like web1,web2
             pacha drift --packages 'web*'
    """
    paths, hosts = [word for word in words if "/" in word], [word for word in words if "/" not in word]
    likes = split_globs(like)
    if len(paths) > 1 or (like and len(hosts) != 1) or not (paths or like or packages):
        raise UsageError(
            "What is to be compared is not clear.",
            "name a PATH; or one HOST and --like; or --packages",
            "A path begins with a '/'.",
            code="drift-of-what",
        )
    ignore = cli_context.load_of_master(quietly=True).drift_ignore
    with open_fleet(cli_context) as fleet:
        if packages:
            drifts = list(drift.drift_of_packages(fleet, [*hosts, *likes]))
        else:
            folder = drift.absolute(paths[0]) if paths else b"/"
            unlike, every = hosts[0] if likes else "", [*hosts, *likes]
            drifts = drift.drift_at(fleet, folder, every, content_only=content_only, ignore=ignore, unlike=unlike)
        faults = fleet.faults([*hosts, *likes])
        diffs = {} if names or packages else drift.readable_diffs(fleet, drifts, faults)
    _show(drifts, diffs, faults, names=names, as_json=as_json)
    differs = any(len(one.groups) > 1 for one in drifts)
    return max(warn_faults(cli_context, faults), ExitCode.CONCERNS if differs else ExitCode.DONE)


def _show(found: list[Drift], diffs: Diffs, faults: list[str], *, names: bool, as_json: bool) -> None:
    if as_json:
        every = [drift_json(one, diffs) for one in found]
        print_json({"drift": every, "faults": faults})
    elif names:
        history.show(f"{drift_name(one)}\n".encode() for one in found)
    else:
        history.show(f"{line}\n".encode() for one in found for line in drift_lines(one, diffs))
