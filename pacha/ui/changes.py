"""Show the snapshots of all hosts on one timeline."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pacha.fleet.changes import HostSnapshot
from pacha.store.change_list import LETTERS, number_of_packages
from pacha.text import local_minute
from pacha.ui.console import at_terminal, columns, styled, wrapped
from pacha.ui.times import utc

MOST = 12  #: paths of a snapshot that are shown unless all are asked for


def change_lines(snapshot: HostSnapshot, *, every: bool = False) -> Iterator[str]:
    """When, which host, how much, who and why; then what was touched, the first only unless ``every``."""
    start = f"{local_minute(snapshot.at)}  {snapshot.host}  "
    words = f"{counts(snapshot)}, by {snapshot.user}"
    words += f": {snapshot.message.splitlines()[0]}" if snapshot.message else ""
    words += " (its clock is ahead of this one)" if snapshot.ahead else ""
    if at_terminal() and len(start + words) > columns():
        words = wrapped(start, words, 4).removeprefix(start)
    yield styled(start, "bold") + words
    touched = snapshot.touched or ()
    shown = touched if every else touched[:MOST]
    for letter, name in shown:
        yield f"    {letter} {name}"
    if more := sum(snapshot.counts.values()) - len(shown):
        yield f"    and {more} more (-v shows all)"


def document(snapshots: Iterable[HostSnapshot], faults: Sequence[str]) -> Iterator[str]:
    """One JSON text with all snapshots, a line each: those of a month may not fit into memory together."""
    yield '{"changes": ['
    comma = ""
    for snapshot in snapshots:
        yield comma + json.dumps(_values(snapshot))
        comma = ","
    yield f'], "faults": {json.dumps(faults)}}}'


def _values(snapshot: HostSnapshot) -> dict[str, Any]:
    """A snapshot as JSON values; ``touched`` is null where it is too much to be known here."""
    touched = snapshot.touched
    return {
        "host": snapshot.host,
        "id": snapshot.node,
        "at": utc(snapshot.at),
        "clock_ahead": snapshot.ahead,
        "user": snapshot.user,
        "message": snapshot.message,
        "touched": None if touched is None else [{"change": letter, "name": name} for letter, name in touched],
    }


def counts(snapshot: HostSnapshot) -> str:
    """How many paths and packages a snapshot touched, by kind."""
    if snapshot.touched is None:
        return "more than is known here"
    counted = snapshot.counts
    words = [f"{counted[letter]} {word}" for letter, word in LETTERS.items() if counted.get(letter)]
    words += [number_of_packages(counted["P"])] if counted.get("P") else []
    return ", ".join(words) or "no path"
