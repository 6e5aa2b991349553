"""diff: show what differs between snapshots, or from the disk."""

from __future__ import annotations

from itertools import chain

import click

from pacha.cli.app import cli
from pacha.cli.context import CliContext
from pacha.cli.history_arguments import HOST_OPTION, noting_purged, split_words, warn_unreadable
from pacha.errors import ExitCode, UsageError
from pacha.history import access, diff
from pacha.ui import history


@cli.command("diff")
@click.argument("words", nargs=-1, metavar="[FROM [TO]] [PATH]")
@HOST_OPTION
@click.option("-c", "--change", default="", metavar="WHEN", help="What this snapshot changed.")
@click.option(
    "--names", is_flag=True, help="Only the letter (A, M, R, m; U: not watched any more) and the name of each path."
)
@click.pass_obj
def diff_command(cli_context: CliContext, words: tuple[str, ...], host: str, change: str, names: bool) -> ExitCode:
    """Show what differs, content and metadata: between the snapshots FROM and TO; between FROM and the disk now;
    without both, between the last snapshot and the disk now. Without a PATH, the packages that differ follow.

    FROM and TO are an id, '2026-11-01 04:00', 'yesterday', '3 days ago'. A word with a '/' in it is a PATH. Of
    another HOST the newest snapshot stands for the disk, and FROM is the one before.

    \b
    Example: pacha diff yesterday /etc/nginx
             pacha diff -c 1a2b3c4d
    """
    moments, paths = split_words(words)
    if len(moments) > 2 or (change and moments):
        raise UsageError(
            "That is more than FROM and TO.",
            f"'{moments[-1]}'",
            "A path has a '/' in it: ./foo",
            code="too-many-snapshots-named",
        )
    context = cli_context.history_context(host)
    with access.open_history(context, host) as snapshots:
        with_packages = not (paths or names)
        old, new = diff.sides(context, snapshots, *moments, change=change, with_packages=with_packages)
        selected = [diff.within(old, new, candidates) for candidates in paths]
        concerns = list(new.concerns)
        differing = noting_purged(diff.compare(old, new, selected, with_content=not names), concerns)
        if names:
            history.show(history.name_line(difference) for difference in differing)
        else:
            of_paths = (line for difference in differing for line in history.difference_lines(difference, old, new))
            packages = diff.compare_packages(old, new) if with_packages else ()
            history.show(chain(of_paths, history.package_lines(packages)))
        cli_context.console.concerns(concerns)
        return ExitCode.CONCERNS if concerns else warn_unreadable(cli_context, snapshots)
