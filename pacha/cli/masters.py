"""On a master: its hosts."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, BinaryIO

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.server.check_results import CheckResult


@cli.command("add-host", short_help="On a master: make a host's folder, and let its key in.")
@click.argument("host")
@click.option("--user", metavar="ACCOUNT", help="Give the folder to the account that HOST logs in as.")
@click.option("--key", type=click.File("rb"), metavar="FILE", help="Let this public key in for HOST ('-': read it).")
@click.option("--install", metavar="USER", help="Put the line into USER's authorized_keys instead of printing it.")
@click.option("--rebuild-only", is_flag=True, help="The key reads what is kept, and writes nothing.")
@click.option("--push-only", is_flag=True, help="The key sends what is new, and reads nothing that is kept.")
@click.option("--expires", metavar="WHEN", help="No longer than this: 12h, 3d, 2w, 2027-01-31, '2027-01-31 18:00'.")
@click.pass_obj
def add_host(
    terminal: CliContext,
    host: str,
    user: str | None,
    key: BinaryIO | None,
    install: str | None,
    rebuild_only: bool,
    push_only: bool,
    expires: str | None,
) -> ExitCode:
    """On a master: make the folder in which HOST keeps its repositories, and let its key in.

    The line for ~/.ssh/authorized_keys lets the key do what HOST needs and nothing else: no shell, no other host,
    nothing removed.

    \b
    Example: pacha add-host bar --key bar.pub --install bar_user
    """
    from pacha.server import add_host as action

    allowed = action.Allowed(rebuild_only, push_only, expires)
    text = key.read(1 << 20) if key is not None else None
    added = action.add_host(terminal.load_of_master().hosts_path, host, user, text, install, allowed)
    meter = terminal.meter
    meter.say(
        f"{escape(added.path)} is ready for '{host}'" + (f" (account {added.account})." if added.account else ".")
    )
    if added.installed:
        meter.say(f"The key is {added.installed} in {install}'s authorized_keys.")
    elif added.line:
        meter.say("The line for ~/.ssh/authorized_keys of that account:")
        click.echo(added.line)
    if not added.runs:
        meter.warn(
            f"{install} cannot run this Pacha: install it where every account can (not below /root), run this again"
        )
        return ExitCode.CONCERNS
    return ExitCode.DONE


@cli.command()
@click.argument("host")
@click.option("--hosts-path", required=True, metavar="DIR", help="The folder that has one folder for each host.")
@click.option("--rebuild-only", is_flag=True, help="Let nothing be written.")
@click.option("--push-only", is_flag=True, help="Let nothing that is kept be read.")
@click.option("--control", is_flag=True, hidden=True)
@click.option("--repository", metavar="NAME", hidden=True)
def serve(
    host: str, hosts_path: str, rebuild_only: bool, push_only: bool, control: bool, repository: str | None
) -> int:
    """On a master: the forced command behind the key of HOST. It does what Pacha asks for HOST, and nothing else.

    \b
    Example, a line of ~/.ssh/authorized_keys (pacha add-host writes it):
    restrict,command="pacha serve bar --hosts-path /pacha/hosts" ssh-ed25519 AAAA...
    """
    from pacha.server import serve as action

    may = action.rights(rebuild_only=rebuild_only, push_only=push_only)
    asked = os.environ.get("SSH_ORIGINAL_COMMAND")
    return action.serve(host, os.fsencode(hosts_path), may, asked, action.direct(control, repository))


@cli.command(short_help="On a master: show every host, the late ones first.")
@click.option("--json", "form", flag_value="json", help="For programs.")
@click.option("--prometheus", "form", flag_value="prometheus", help="For the textfile collector of Prometheus.")
@click.pass_obj
def hosts(terminal: CliContext, form: str | None) -> ExitCode:
    """On a master: show every host, the silent and the late ones first. Exit code 3 if there are any.

    \b
    Example: pacha hosts --json
    """
    from pacha.server import hosts as action
    from pacha.ui import fleet

    found = action.hosts(terminal.load_of_master().hosts_path)
    show = {"json": fleet.hosts_json, "prometheus": fleet.prometheus}.get(form or "", fleet.hosts)
    if not terminal.quiet or form:
        click.echo(show(found))
    else:
        terminal.meter.problems(f"{one.host}: {fleet.problem(one)}" for one in found if not one.fine)
    return action.exit_code(found)


@cli.command(short_help="On a master: could each host be rebuilt now?")
@click.argument("hosts", nargs=-1)
@click.option("--rehearse", is_flag=True, help="Rebuild into a scratch folder, too, and compare.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_obj
def check(terminal: CliContext, hosts: tuple[str, ...], rehearse: bool, as_json: bool) -> ExitCode:
    """On a master: could HOSTS (all of them) be rebuilt now? Exit code 13 if one could not.

    \b
    Example: pacha check --rehearse bar
    """
    from pacha.server.check import check as action
    from pacha.ui import fleet

    done: list[CheckResult] = []
    code = action(terminal.load_of_master(), hosts, rehearse, done.append if as_json else terminal.meter.checked)
    if as_json:
        click.echo(json.dumps([fleet.checked_json(one) for one in done], indent=2))
    return code
