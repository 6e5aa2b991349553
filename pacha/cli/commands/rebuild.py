"""rebuild: put back every file of a host, or a part of them."""

from __future__ import annotations

from typing import Any

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.identity import IDENTITY_OPTION
from pacha.errors import ExitCode
from pacha.fetch import snapshot, unpack  # noqa: F401 - what the worker does: before it is forked, imported once
from pacha.fetch.worker import WorkerProcess
from pacha.restore import parallel  # noqa: F401 - the same


@cli.command("rebuild")
@click.argument("host")
@click.option("--at", default="", metavar="WHEN", help="As it was then: a snapshot's id, a date, 'yesterday'.")
@click.option(
    "--path", "paths", multiple=True, type=click.Path(), help="Only this path, and what is below it; may be repeated."
)
@click.option(
    "--directory", "directories", multiple=True, metavar="NAME", help="Only this watched directory; may be repeated."
)
@click.option("--target", type=click.Path(), metavar="DIR", help="Put everything below DIR instead.")
@IDENTITY_OPTION
@click.option("--delete", is_flag=True, help="Move what the snapshot does not have out of the way.")
@click.option("--owner-map", type=click.Path(), metavar="FILE", help="Give files to others: lines of old:new names.")
@click.option(
    "--accounts",
    type=click.Choice(["renumber", "keep", "leave"]),
    help="When restored account files give names other numbers: re-own the files elsewhere that are theirs "
    "(the default), keep this machine's numbers instead, or leave it.",
)
@click.option(
    "--hardware",
    type=click.Choice(["auto", "same", "other"]),
    help="Whether this machine is the one that HOST was: on another one, files that name disks or network cards "
    "which are not here stay as they are, and so do those of another release.",
)
@click.option(
    "--services",
    type=click.Choice(["restart", "list", "none"]),
    help="What obeys the restored files: test it, make it anew and restart it (the default for the whole host in its "
    "original places), list it, or neither.",
)
@click.option(
    "--selinux",
    type=click.Choice(["policy", "recorded"]),
    default="policy",
    help="Where SELinux is in force: the labels of this machine's policy (the default), or the recorded ones.",
)
@click.option(
    "--packages",
    type=click.Choice(["install", "exact", "by-name", "list", "none"]),
    help="Packages of HOST that are not installed here: install them first, from HOST's sources or (by-name) this "
    "machine's; list them; or neither. Not given: asked at a terminal, else list.",
)
@click.option("--hooks", is_flag=True, help="Run the hooks that the master's root holds for HOST.")
@click.option("--dry-run", "-n", is_flag=True, help="Show what would be done, path by path (-v: text by text).")
@click.option("--json", "as_json", is_flag=True, help="The plan or the report as JSON, nothing else on stdout.")
@click.option(
    "--progress",
    type=click.Choice(["lines", "bar", "none"]),
    help="Show a line for each file, one live bar, or neither; not given: a bar for many files at a terminal.",
)
@click.option(
    "--signers",
    type=click.Path(),
    metavar="FILE",
    help="Refuse what nobody in FILE signed: allowed signers as in ssh-keygen(1). Not given: pacha.signers.",
)
@click.option("--from", "master", default="", metavar="MASTER", help="Which of several masters to take it from.")
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait for another run to end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rebuild_command(cli_context: CliContext, /, **values: Any) -> ExitCode:
    """Put back every file of HOST, or a part of them: content, owner, group and mode.

    \b
    Example: pacha rebuild bar --dry-run
             pacha rebuild bar --target /srv/look
             pacha rebuild bar --path /etc/nginx --at yesterday
    """
    with WorkerProcess.start() as worker:
        from pacha.cli.rebuild_steps import (  # after the start of the worker, which imports Mercurial meanwhile
            RebuildRequest,
            run,
        )

        return run(cli_context, RebuildRequest(**values), worker)
