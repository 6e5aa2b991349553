"""report: on a master, write static pages that show all hosts."""

from __future__ import annotations

import os
import time
from pathlib import Path

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.fleet_arguments import DRIFT_OPTION, open_fleet, warn_faults
from pacha.errors import ExitCode
from pacha.fleet.drift import absolute
from pacha.fleet.pages import Pages, opened
from pacha.fleet.report import DriftReport, drift_reports, host_reports
from pacha.fleet.update import Fleet
from pacha.server import hosts
from pacha.text import escape
from pacha.ui import report_page
from pacha.ui.digest_page import DIGESTS
from pacha.ui.fleet import number_of_hosts
from pacha.ui.report_page import DRIFT, INDEX, HostsPage, host_page, host_page_name


@cli.command("report")
@click.option(
    "--html", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Write the pages into DIR."
)
@DRIFT_OPTION
@click.pass_obj
def report_command(cli_context: CliContext, folder: Path, drift: tuple[str, ...]) -> ExitCode:
    """On a master: write pages that show every host, how late it is, what it pushed in the last 30 days, what drifts.

    They have no scripts and need no server: open DIR/index.html. They name paths, and have no contents of files. A new
    DIR is closed to all others.

    \b
    Example: pacha report --html /srv/www/pacha
             pacha report --html /srv/www/pacha --drift /etc/apt --drift /etc/ssh
    """
    ignore = cli_context.load_of_master(quietly=True).drift_ignore
    paths = [absolute(path) for path in drift]
    with open_fleet(cli_context) as fleet, opened(folder) as pages:
        written = _write(fleet, pages, drift_reports(fleet, paths, ignore))
        for name in pages.names():
            if (report_page.is_host_page(name) or name == DRIFT) and name not in written:
                pages.remove(name)
        number = sum(map(report_page.is_host_page, written))
        cli_context.console.tell(f"{escape(folder)}/{INDEX} shows {number_of_hosts(number)}.")
        return warn_faults(cli_context, fleet.faults(), told=True)


def _write(fleet: Fleet, pages: Pages, drifts: list[DriftReport]) -> set[str]:
    """Write all pages, the first one last; returns the names of those of hosts."""
    now, written = time.time(), set[str]()
    overview = HostsPage(now)
    for host in host_reports(fleet, hosts.hosts(fleet.hosts_path, now), now):
        name = host_page_name(host.status.host)
        pages.write(name, host_page(host, now))
        overview.add(host)
        written.add(name)
    if drifts:
        pages.write(DRIFT, report_page.drift_page(drifts))
        written.add(DRIFT)
    overview.digests = DIGESTS if DIGESTS in pages.names() else ""
    pages.write(INDEX, overview.page(os.uname().nodename, drifts, fleet.faults()))
    return written
