"""What the commands over all hosts share: the --hosts option, the index of this master, hosts that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.fleet.update import Fleet, up_to_date
from pacha.ui.spinner import waiting

HOSTS_OPTION = click.option(
    "--hosts", default="", metavar="GLOB,...", help="Only these hosts: names, or globs in quotes, with commas between."
)
DRIFT_OPTION = click.option(
    "--drift", multiple=True, metavar="PATH", help="Which hosts have something else at or below PATH; may be repeated."
)


@contextmanager
def open_fleet(cli_context: CliContext) -> Iterator[Fleet]:
    """All hosts of this master, with an index that is up to date. Raises PachaError."""
    hosts_path = cli_context.master_config().hosts_path
    with waiting(quiet=cli_context.quiet), up_to_date(hosts_path) as fleet:
        yield fleet


def split_globs(text: str) -> list[str]:
    """The globs in the value of --hosts."""
    return [glob.strip() for glob in text.split(",") if glob.strip()]


def warn_faults(cli_context: CliContext, faults: Sequence[str], *, told: bool = False) -> ExitCode:
    """Name on stderr what could not be looked at.

    Where it is ``told`` elsewhere as well, on a page or in a mail, -q says nothing: cron would mail it each time.
    """
    if not (told and cli_context.quiet):
        cli_context.console.problems(faults)
    return ExitCode.CONCERNS if faults else ExitCode.DONE
