"""purge: on a master, erase content from a host's history."""

from __future__ import annotations

import os
import re
import shlex

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, UsageError
from pacha.server import purge, purge_choice
from pacha.server.purge_choice import PurgeOrder
from pacha.server.role import of_master
from pacha.text import escape, printable
from pacha.ui.purge import plan_lines, result_line

_AGE = re.compile(r"([1-9][0-9]{0,4})([dwmy])", re.ASCII)
_STAYS = (
    "its content in the newest snapshot stays: if that is not to be kept either, change or exclude it on '{host}' and "
    "push, then run this again; or --also-newest"
)
_LOST = "its content in the newest snapshot goes as well; the next push of '{host}' records it anew, unless excluded"
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


@cli.command("purge")
@click.argument("host")
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH]...")
@click.option("--before", default="", metavar="WHEN", help="Only from the snapshots before WHEN.")
@click.option("--at", multiple=True, metavar="ID", help="Only what the snapshot ID has; may be repeated.")
@click.option("--older-than", default="", metavar="AGE", help="What only snapshots older than 90d, 8w, 6m, 2y have.")
@click.option("--keep-monthly", default=0, type=click.IntRange(min=0), metavar="N", help="But one a month, N months.")
@click.option("--also-newest", is_flag=True, help="Even what the newest snapshot has: a rebuild will lack it.")
@click.option("--record", is_flag=True, help="Record it even if nothing is here, as on a master that was set back.")
@click.option("-m", "--message", default="", metavar="WHY", help="Why, for the record. Never the secret itself.")
@click.option("--dry-run", is_flag=True, help="Only show what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def purge_command(
    cli_context: CliContext,
    host: str,
    paths: tuple[str, ...],
    before: str,
    at: tuple[str, ...],
    older_than: str,
    keep_monthly: int,
    also_newest: bool,
    record: bool,
    message: str,
    dry_run: bool,
    yes: bool,
) -> ExitCode:
    """On a master: erase the content of PATHs (files, or all below a folder) from every snapshot of HOST.

    Who pushed what and when stays. HOST forgets it, too, at its next push; other masters have to be told by the same
    command there. It cannot be undone.

    \b
    Example: pacha purge bar /etc/app/token -m "pushed by accident"
             pacha purge bar --older-than 2y --keep-monthly 24
    """
    order = PurgeOrder(
        paths=tuple(os.path.normpath(os.fsencode(path)) for path in paths), before=before, at=at,
        older_than=_seconds(older_than), keep_monthly=keep_monthly, also_newest=also_newest,
    )  # fmt: skip
    purge_choice.check(order)
    console, hosts_path = cli_context.console, of_master(cli_context.load_of_master()).hosts_path
    planned = purge.plan(hosts_path, host, order)
    for node in planned.unreadable:
        console.warn(f"the snapshot {node} cannot be read; it keeps nothing from being purged")
    for line in plan_lines(planned, every=cli_context.verbose):
        console.say(line)
    for path in planned.newest:
        console.warn(f"{path}: {(_LOST if also_newest else _STAYS).format(host=host)}")
    if not (planned.paths or planned.unfinished or record):
        console.tell("There is no such content in the history: nothing was purged.")
        return ExitCode.DONE
    if dry_run:
        return ExitCode.DONE
    if not yes:
        console.confirm(f"Erase that from the history of '{host}'? It cannot be undone.")
    done = purge.carry_out(
        hosts_path, host, order, planned, limits=_limits(before, at, older_than, keep_monthly, also_newest),
        why=printable(message),
    )  # fmt: skip
    console.tell(result_line(done))
    return ExitCode.CONCERNS if planned.unreadable or planned.newest else ExitCode.DONE


def _seconds(age: str) -> float:
    """The seconds of an age such as 90d, 8w, 6m (months of 30 days), 2y. Raises UsageError."""
    if not age:
        return 0
    if match := _AGE.fullmatch(age):
        return int(match[1]) * _DAYS[match[2]] * 86400.0
    raise UsageError(
        f"'{escape(os.fsencode(age[:40]))}' is not an age.", "", "Write 90d, 8w, 6m or 2y.", code="invalid-age"
    )


def _limits(before: str, at: tuple[str, ...], older_than: str, keep_monthly: int, also_newest: bool) -> str:
    """The options as words, for the record and for the same command elsewhere."""
    words = ["--before", before] * bool(before) + [word for each in at for word in ("--at", each)]
    words += ["--older-than", older_than] * bool(older_than) + ["--keep-monthly", str(keep_monthly)] * bool(
        keep_monthly
    )
    return printable(shlex.join(words + ["--also-newest"] * also_newest))
