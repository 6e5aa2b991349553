"""What log, diff and cat share: the --host option, paths among the words, a warning about unreadable snapshots."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from pacha.cli.context import CliContext
from pacha.errors import Concern, ExitCode
from pacha.store import selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pacha.history.diff import Difference
    from pacha.history.reader import History


HOST_OPTION = click.option(
    "--host", default="", metavar="HOST", help="Of HOST, as a master has it; not of this machine."
)


def warn_unreadable(cli_context: CliContext, past: History) -> ExitCode:
    """Name the unreadable snapshots, which were skipped, on stderr."""
    unreadable = list(past.unreadable)
    for node, error in unreadable:
        cli_context.console.warn(f"the snapshot {node[:12]} cannot be read, and was passed over: {error.in_a_line}")
    return ExitCode.CONCERNS if unreadable else ExitCode.DONE


def noting_purged(differences: Iterable[Difference], concerns: list[Concern]) -> Iterator[Difference]:
    """``differences``, with a concern for each that cannot be shown because of a purge."""
    for difference in differences:
        if difference.purged:
            concerns.append(Concern(difference.path, difference.purged))
        yield difference


def split_words(words: tuple[str, ...]) -> tuple[list[str], list[tuple[bytes, ...]]]:
    """The words without a '/', and the candidates of each path."""

    plain_words = [word for word in words if "/" not in word]
    return plain_words, [selection.path_candidates(os.fsencode(word)) for word in words if "/" in word]
