"""digest: on a master, tell what changed on all hosts since the last digest, by mail or on a page."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.fleet_arguments import HOSTS_OPTION, open_fleet, split_globs, warn_faults
from pacha.errors import ExitCode, UsageError
from pacha.fleet import digest_marks, pages
from pacha.fleet.digest import Digest, digest
from pacha.fleet.secrecy import Secrecy
from pacha.store.revspec import begin_of
from pacha.system import sendmail
from pacha.text import escape
from pacha.ui import digest as shown
from pacha.ui import history
from pacha.ui.console import print_json
from pacha.ui.digest_page import DIGESTS, digest_page, index_page, page_name
from pacha.ui.report_page import INDEX, is_host_page

_LAST = "last"
_WAIT = 600.0  #: seconds, for another digest that cron began in the same minute


@cli.command("digest")
@click.option(
    "--since", default=_LAST, show_default=True, metavar="last|WHEN", help="What was not told yet, or a time."
)
@HOSTS_OPTION
@click.option("--mail", default="", metavar="ADDRESS", help="Send it as a mail, if anything changed.")
@click.option("--html", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write it as a page into DIR.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def digest_command(
    cli_context: CliContext, since: str, hosts: str, mail: str, folder: Path | None, as_json: bool
) -> ExitCode:
    """On a master: tell what changed on all hosts since the last digest, by host and path, with diffs.

    What is secret is named and not shown: files that others may not read, private keys, password files, lines with
    passwords and tokens. Each change is told once: the next digest begins where this one ended, host by host. With
    another --since than 'last', the next digest begins as if this one had not been. If nothing changed there is no mail
    and no page.

    \b
    Example: pacha digest --mail root
             pacha digest --html /srv/www/pacha
             pacha digest --since yesterday
             pacha digest --hosts 'web*' --mail web-team
    """
    if sum(map(bool, (mail, folder, as_json))) > 1:
        raise UsageError(
            "A digest goes to one place.", "--mail, --html and --json are three", "Choose one.", code="digest-where"
        )
    if mail:
        sendmail.check_address(mail)
    config = cli_context.master_config()
    begin = None if since == _LAST else begin_of(since, time.time())
    with digest_marks.opened(config.hosts_path, _WAIT) as file, open_fleet(cli_context) as fleet:
        found = digest(fleet, file.read(), Secrecy(config.secret), begin, split_globs(hosts))
        _tell(cli_context, found, mail, folder, as_json=as_json)
        if begin is None:
            file.write(found.marks)
    return warn_faults(cli_context, list(shown.fault_lines(found)), told=bool(mail))


def _tell(cli_context: CliContext, found: Digest, mail: str, folder: Path | None, *, as_json: bool) -> None:
    """Deliver the digest; when this returns, it has arrived."""
    master = os.uname().nodename
    if as_json:
        print_json(shown.digest_json(found))
    elif found.is_empty:
        cli_context.console.tell("Nothing changed." if not (mail or folder) else "Nothing changed: nothing is sent.")
    elif mail:
        sendmail.send(mail, shown.subject(found, master), shown.mail_text(found), _identity(found))
        cli_context.console.tell(f"{mail}: {shown.heading(found)}.")
    elif folder:
        with pages.opened(folder) as written:
            written.write(page_name(found), digest_page(found, master))
            index = index_page(written.names(), master)
            written.write(DIGESTS, index)
            if not any(map(is_host_page, written.names())):  # else it is that of a report
                written.write(INDEX, index)
        cli_context.console.tell(f"{escape(folder)}/{page_name(found)}: {shown.heading(found)}.")
    else:
        history.show(shown.listed(shown.digest_lines(found)))


def _identity(found: Digest) -> str:
    """An id for the mail. It stays the same if the digest is sent again because its marks were not written."""
    told = [[host.host, host.tip] for host in found.hosts] + [[name] for name in found.news] + [list(found.globs)]
    return f"pacha-digest.{int(found.since)}.{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]}"
