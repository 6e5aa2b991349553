"""purge: on a master, erase content from a host's history, or the old contents of all hosts."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.config.config import Config
from pacha.config.keys import age_seconds
from pacha.errors import ConfigError, ExitCode, PachaError, UsageError
from pacha.server import hosts, purge, purge_choice, purge_clock
from pacha.server.purge_choice import PurgeOrder
from pacha.store.purges import BY_AGE
from pacha.text import printable
from pacha.ui.console import Console
from pacha.ui.purge import plan_lines, result_line

_STAYS = (
    "its content in the newest snapshot stays: if that is not to be kept either, change or exclude it on '{host}' and "
    "push, then run this again; or --also-newest"
)
_LOST = "its content in the newest snapshot goes as well; the next push of '{host}' records it anew, unless excluded"
_UNKNOWN = "no snapshot of '{host}' ever had a file there: is that its whole name, links on the way resolved?"
_LEFT = "A purge that was killed is carried out."
_RECORDED = "There is no such content in the history any more; that is recorded."
_UNREADABLE = "the snapshot {node} cannot be read; it keeps nothing from being purged"


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """What a person wants to be purged of any host: the options of the command line."""

    paths: tuple[str, ...]
    before: str
    at: tuple[str, ...]
    older_than: str
    keep_monthly: int
    also_newest: bool
    record: bool
    message: str
    dry_run: bool
    yes: bool

    def with_usual(self, config: Config) -> _Wish:
        """This, or where nothing says what is to go, what the configuration says of old contents."""
        if self.paths or self.before or self.at or self.older_than:
            return self
        monthly = self.keep_monthly or config.keep_monthly * bool(config.keep)
        return replace(self, older_than=config.keep or "", keep_monthly=monthly)

    @cached_property
    def order(self) -> PurgeOrder:
        """The same, checked. Raises UsageError."""
        try:
            older_than = age_seconds(self.older_than) if self.older_than else 0
        except ValueError as error:
            raise UsageError(f"{error}.", "", "See: pacha purge --help", code="invalid-age") from None
        return PurgeOrder(
            paths=tuple(os.path.normpath(os.fsencode(path)) for path in self.paths), before=self.before, at=self.at,
            older_than=older_than, keep_monthly=self.keep_monthly, also_newest=self.also_newest,
        )  # fmt: skip

    @property
    def limits(self) -> str:
        """The options as words, for the record and for the same command elsewhere."""
        words = ["--before", self.before] * bool(self.before) + [word for each in self.at for word in ("--at", each)]
        words += [BY_AGE, self.older_than] * bool(self.older_than)
        words += ["--keep-monthly", str(self.keep_monthly)] * bool(self.keep_monthly)
        return printable(shlex.join(words + ["--also-newest"] * self.also_newest))

    @property
    def why(self) -> str:
        """Why, for the record."""
        return printable(self.message)


@cli.command("purge")
@click.argument("host", required=False)
@click.argument("paths", nargs=-1, type=click.Path(), metavar="[PATH]...")
@click.option("--all", "every", is_flag=True, help="Of every host what is older than pacha.keep; for cron, with --yes.")
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
def purge_command(cli_context: CliContext, /, host: str | None, every: bool, **values: Any) -> ExitCode:
    """On a master: erase the content of PATHs (files, or all below a folder) from every snapshot of HOST.

    Who pushed what and when stays. HOST forgets it, too, at its next push; other masters have to be told by the same
    command there. It cannot be undone.

    Without PATHs: the contents that only old snapshots have, by --older-than, or by pacha.keep and pacha.keep.monthly
    in the configuration; with --all, of every host.

    \b
    Example: pacha purge bar /etc/app/token -m "pushed by accident"
             pacha purge bar --older-than 2y --keep-monthly 24
             pacha purge --all --yes
    """
    config = cli_context.master_config()
    wish = _Wish(**values).with_usual(config)
    if every:
        return _of_every_host(cli_context, config, host, wish)
    if host is None:
        raise UsageError("No host is named.", "", "Name it, or all of them: --all", code="host-not-named")
    return _of_one(cli_context, config.hosts_path, host, wish)


def _of_one(cli_context: CliContext, hosts_path: bytes, host: str, wish: _Wish) -> ExitCode:
    """Show what goes of ``host``, ask, and do it."""
    purge_choice.check(wish.order)
    console, planned = cli_context.console, purge.plan(hosts_path, host, wish.order)
    _warn(console, host, planned.unreadable)
    unknown = () if wish.record else planned.unknown
    for path in unknown:
        console.warn(f"{path}: {_UNKNOWN.format(host=host)}")
    for line in plan_lines(planned, every=cli_context.verbose):
        console.say(line)
    for path in planned.newest:
        console.warn(f"{path}: {(_LOST if wish.order.also_newest else _STAYS).format(host=host)}")
    if not (planned.paths or planned.unfinished or planned.unrecorded or wish.record):
        console.tell("There is no such content in the history: nothing was purged.")
        return ExitCode.CONCERNS if unknown else ExitCode.DONE
    if wish.dry_run:
        return ExitCode.DONE
    if not planned.paths:
        console.tell(_LEFT if planned.unfinished else _RECORDED)
    elif not wish.yes:
        console.confirm(f"Erase that from the history of '{host}'? It cannot be undone.")
    done = purge.carry_out(hosts_path, host, wish.order, planned, limits=wish.limits, why=wish.why)
    console.tell(result_line(done))
    return ExitCode.CONCERNS if planned.unreadable or planned.newest or unknown else ExitCode.DONE


def _of_every_host(cli_context: CliContext, config: Config, host: str | None, wish: _Wish) -> ExitCode:
    """Purge the old contents of each host. One that fails stops no other; the exit code is 1 then."""
    order = wish.order
    if host is not None or order.before or order.at or order.also_newest or wish.record:
        raise UsageError(
            "--all purges the old contents of all hosts.",
            "a host, --before, --at, --also-newest and --record do not go with it",
            "Give it alone, or with --older-than and --keep-monthly; or name the host without it.",
            code="purge-all-excludes",
        )
    if not order.older_than:
        raise ConfigError(
            "pacha.keep is not set.", "so nothing says how old the contents are that --all purges",
            "Add a line such as 'pacha.keep = 2y' to the configuration; or give --older-than 2y.", code="keep-not-set",
        )  # fmt: skip
    now = time.time()
    if wish.yes and not wish.dry_run:
        purge_clock.check(config.hosts_path, now)
    codes = [_of_one_of_all(cli_context, config.hosts_path, name, wish) for name in hosts.names(config.hosts_path)]
    if not wish.dry_run:
        purge_clock.note(config.hosts_path, now)
    return ExitCode.FAILED if ExitCode.FAILED in codes else max(codes, default=ExitCode.DONE)


def _of_one_of_all(cli_context: CliContext, hosts_path: bytes, host: str, wish: _Wish) -> ExitCode:
    console = cli_context.console
    try:
        if wish.yes and not wish.dry_run:
            return _unattended(console, hosts_path, host, wish)
        console.say(f"{host}:")
        return _of_one(cli_context, hosts_path, host, wish)
    except PachaError as error:
        if error.code == "nothing-to-purge-from":
            return ExitCode.DONE  # it has not pushed yet
        if not (wish.yes or wish.dry_run):
            raise
        console.error(
            PachaError(
                f"The old contents of '{host}' were not purged.", error.in_a_line, error.hint, code="host-not-purged"
            )
        )
        return ExitCode.FAILED


def _unattended(console: Console, hosts_path: bytes, host: str, wish: _Wish) -> ExitCode:
    """Erase what is old by now; say so where there was anything."""
    done = purge.carry_out(hosts_path, host, wish.order, limits=wish.limits, why=wish.why)
    _warn(console, host, done.unreadable)
    if done.erased:
        console.tell(f"{host}: {result_line(done)}")
    return ExitCode.CONCERNS if done.unreadable else ExitCode.DONE


def _warn(console: Console, host: str, unreadable: tuple[str, ...]) -> None:
    for node in unreadable:
        console.warn(f"{host}: {_UNREADABLE.format(node=node)}")
