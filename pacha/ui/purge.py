"""What a purge will erase, and what it did, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pacha.ui.console import size_text
from pacha.ui.times import moment

if TYPE_CHECKING:
    from pacha.server.purge import PlannedPurge, PurgeResult

_MOST = 50  #: paths that are shown one by one


def plan_lines(planned: PlannedPurge, *, every: bool = False) -> Iterator[str]:
    """A line for each path: how many contents, bytes, from when to when, who pushed them; then the sum."""
    shown = planned.paths if every else planned.paths[:_MOST]
    for row in shown:
        span = moment(row.first) if row.first == row.last else f"{moment(row.first)} to {moment(row.last)}"
        yield f"{row.path}: {_contents(row.count)}, {size_text(row.size)}, {span}, by {', '.join(row.users)}"
    if len(planned.paths) > len(shown):
        yield f"... and {len(planned.paths) - len(shown)} more paths (all of them: -v)"
    total = sum(row.count for row in planned.paths)
    if planned.paths:
        yield f"Together: {_contents(total)}, {size_text(sum(row.size for row in planned.paths))}"


def result_line(result: PurgeResult) -> str:
    """What was done, and how much room it gave back."""
    change = f"{size_text(result.before)} before, {size_text(result.after)} now"
    return f"Erased {result.erased} file revision{'s' if result.erased != 1 else ''}; the host's folder: {change}."


def _contents(number: int) -> str:
    return f"{number} content{'s' if number != 1 else ''}"
