"""log: list the snapshots, newest first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import HOST_OPTION, noting_purged, split_words, warn_unreadable
from pacha.errors import Concern, ExitCode, UsageError
from pacha.history import access, diff, log
from pacha.history.log import LogEntry
from pacha.history.reader import History
from pacha.store import purges
from pacha.text import escape
from pacha.ui import history
from pacha.ui.console import print_json


@cli.command("log")
@click.argument("words", nargs=-1, metavar="[HOST] [PATH]")
@HOST_OPTION
@click.option("-n", "--number", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option("-p", "--patch", is_flag=True, help="With what each changed, as diff shows it: who brought a line in?")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@click.pass_obj
def log_command(
    cli_context: CliContext, words: tuple[str, ...], host: str, number: int | None, patch: bool, as_json: bool
) -> ExitCode:
    """List the snapshots, newest first: id, time, what it touched, who pushed, why.

    A word with a '/' in it is a PATH: only what touched it, or something below it, is listed. Another is a HOST.

    \b
    Example: pacha log -n 10
             pacha log bar /etc/nginx
             pacha log -p /etc/fstab
    """
    hosts, paths = split_words(words)
    if len(hosts) + bool(host) > 1:
        raise UsageError(
            "More than one host was named.", hint="A path has a '/' in it: ./foo", code="several-hosts-named"
        )
    host = host or "".join(hosts)
    with access.open_history(cli_context.history_context(host), host) as snapshots:
        candidates = [candidate for path in paths for candidate in path]
        concerns: list[Concern] = []
        entries = list(islice(log.log(snapshots, candidates), number))
        if not entries and not as_json:
            cli_context.console.warn("no snapshot touched " + ", ".join(escape(path[0]) for path in paths))
        if as_json:
            print_json([history.log_json(entry, snapshots.host) for entry in entries])
        else:
            history.show(_lines(snapshots, entries, candidates, concerns, patch=patch))
        cli_context.console.concerns(concerns)
        return max(warn_unreadable(cli_context, snapshots), ExitCode.CONCERNS if concerns else ExitCode.DONE)


def _lines(
    snapshots: History, entries: Sequence[LogEntry], paths: Sequence[bytes], concerns: list[Concern], *, patch: bool
) -> Iterator[bytes]:
    """A line for each snapshot, and for each purge; with ``patch``, what a snapshot changed at ``paths``.

    Without paths: anywhere, and no purges. What cannot be shown because of a purge joins ``concerns``.
    """
    every = purges.runs(snapshots.purges()) if paths else []
    touching = [purge for purge in every if any(map(purge.touches, paths))]
    for entry in entries:
        while touching and touching[-1].at >= entry.at:
            yield history.purge_line(touching.pop())
        yield history.log_line(entry, snapshots.host, time.time())
        if patch:
            revision = snapshots.find(entry.node)
            old, new = diff.of_snapshot(snapshots, snapshots.before(revision)), diff.of_snapshot(snapshots, revision)
            for difference in noting_purged(diff.compare(old, new, paths), concerns):
                yield from history.difference_lines(difference, old, new)
            yield from history.package_lines(() if paths else diff.compare_packages(old, new))
            yield b"\n"
    yield from map(history.purge_line, reversed(touching))
