"""A host's past: its snapshots, what differs between them, a file as it was."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.errors import ExitCode, UsageError
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.history.reader import History

_HOST = click.option("--host", default="", metavar="HOST", help="Of HOST, as a master has it; not of this machine.")


@cli.command(short_help="List the snapshots, newest first.")
@click.argument("words", nargs=-1, metavar="[HOST] [PATH]")
@_HOST
@click.option("-n", "--number", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@click.pass_obj
def log(terminal: CliContext, words: tuple[str, ...], host: str, number: int | None, as_json: bool) -> ExitCode:
    """List the snapshots, newest first: id, time, what it touched, who pushed, why.

    A word with a '/' in it is a PATH: only what touched it, or something below it, is listed. Another is a HOST.

    \b
    Example: pacha log -n 10
             pacha log bar /etc/nginx
    """
    import json
    import time
    from itertools import islice

    from pacha.history import log as action
    from pacha.history import reader
    from pacha.ui import history

    hosts, paths = _sorted_out(words)
    if len(hosts) + bool(host) > 1:
        raise UsageError("More than one host was named.", hint="A path has a '/' in it: ./foo")
    with reader.open_history(terminal.context(), host or "".join(hosts)) as found:
        every = list(islice(action.log(found, [way for path in paths for way in path]), number))
        if not every and not as_json:
            terminal.meter.warn("no snapshot touched " + ", ".join(escape(path[0]) for path in paths))
        if as_json:
            click.echo(json.dumps([history.log_json(one, found.host) for one in every], indent=1))
        else:
            history.show(history.log_line(one, found.host, time.time()) for one in every)
        return _warned(terminal, found)


@cli.command(short_help="Show what differs between snapshots, or from the disk.")
@click.argument("words", nargs=-1, metavar="[FROM [TO]] [PATH]")
@_HOST
@click.option("-c", "--change", default="", metavar="WHEN", help="What this snapshot changed.")
@click.option("--names", is_flag=True, help="Only the letter (A, M, R, m) and the name of each path.")
@click.pass_obj
def diff(terminal: CliContext, words: tuple[str, ...], host: str, change: str, names: bool) -> ExitCode:
    """Show what differs, content and metadata: between the snapshots FROM and TO; between FROM and the disk now;
    without both, between the last snapshot and the disk now.

    FROM and TO are an id, '2026-11-01 04:00', 'yesterday', '3 days ago'. A word with a '/' in it is a PATH. Of
    another HOST the newest snapshot stands for the disk, and FROM is the one before.

    \b
    Example: pacha diff yesterday /etc/nginx
             pacha diff -c 1a2b3c4d
    """
    from pacha.history import diff as changes
    from pacha.history import reader
    from pacha.ui import history

    moments, paths = _sorted_out(words)
    if len(moments) > 2 or (change and moments):
        raise UsageError("That is more than FROM and TO.", f"'{moments[-1]}'", "A path has a '/' in it: ./foo")
    context = terminal.context()
    with reader.open_history(context, host) as found:
        old, new = changes.sides(context, found, *moments, change=change)
        wanted = [changes.within(old, new, ways) for ways in paths]
        differing = changes.compare(old, new, wanted, with_content=not names)
        if names:
            history.show(history.name_line(one) for one in differing)
        else:
            history.show(line for one in differing for line in history.difference_lines(one, old, new))
        terminal.meter.concerns(new.concerns)
        return ExitCode.CONCERNS if new.concerns else _warned(terminal, found)


@cli.command()
@click.argument("path", type=click.Path())
@click.option("--at", default="", metavar="WHEN", help="As it was then; else as in the newest snapshot.")
@_HOST
@click.pass_obj
def cat(terminal: CliContext, path: str, at: str, host: str) -> ExitCode:
    """Print a file as a snapshot has it, byte for byte.

    \b
    Example: pacha cat /etc/fstab --at '3 days ago' > fstab.old
    """
    from pacha.history import reader
    from pacha.store import selection

    with reader.open_history(terminal.context(), host) as found:
        snapshot = found.snapshot(found.find(at))
        entry = reader.file_of(snapshot, selection.path_candidates(os.fsencode(path)))
        for chunk in found.content(snapshot, entry):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return _warned(terminal, found)


@cli.command("restore-db", short_help="Get a host's history back from the master, no file of it.")
@click.argument("host")
@click.pass_obj
def restore_db(terminal: CliContext, host: str) -> ExitCode:
    """Get HOST's history and list of watched paths back from the master, and touch no watched file.

    For a machine that lost Pacha's state folder, or whose files were put back by other means.

    \b
    Example: pacha restore-db bar
    """
    from pacha.rebuild.restore_db import restore_db as action
    from pacha.store import revspec

    restored = action(terminal.context(), host)
    meter = terminal.meter
    for one in restored.watched:
        meter.say(f"Watching {escape(one.path)} (kept as '{one.repository}').")
    meter.say(f"This machine pushes as '{host}', on top of {restored.tip[:12]} ({revspec.local(restored.at)}).")
    meter.say("No watched file was touched: 'pacha diff' shows what the next push will record.")
    return ExitCode.DONE


def _warned(terminal: CliContext, past: History) -> ExitCode:
    """Name the snapshots that cannot be read, on stderr: all the others were looked at."""
    unreadable = list(past.unreadable)
    for node, error in unreadable:
        terminal.meter.warn(f"the snapshot {node[:12]} cannot be read, and was passed over: {error.in_a_line}")
    return ExitCode.CONCERNS if unreadable else ExitCode.DONE


def _sorted_out(words: tuple[str, ...]) -> tuple[list[str], list[tuple[bytes, ...]]]:
    """The words without a '/', and the paths, each as the ways in which it can be meant."""
    from pacha.store import selection

    others = [word for word in words if "/" not in word]
    return others, [selection.path_candidates(os.fsencode(word)) for word in words if "/" in word]
