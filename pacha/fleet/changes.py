"""One timeline of the snapshots of all hosts, with the paths that each touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pacha.files.paths import prefix
from pacha.fleet.update import Fleet
from pacha.store.change_list import LETTERS
from pacha.text import escape, printable

_AHEAD = 300.0  #: seconds that a host's clock may be ahead of ours
_PACKAGE = "P"
_HEAD_LINES = 2  #: of a change list: the counts, and the hash of pacha.db


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSnapshot:
    """A snapshot of ``host``: when it says that it was made, who pushed it, why, and what it touched.

    ``touched``: letters (A, M, R, m; P for a package) and names, safe to print; None where they are too many to be in
    the index. ``ahead``: its clock is ahead of ours.
    """

    host: str
    node: str
    at: float
    user: str
    message: str
    touched: tuple[tuple[str, str], ...] | None
    ahead: bool


def changes(
    fleet: Fleet, since: float, now: float, hosts: Sequence[str] = (), path: bytes = b"/"
) -> Iterator[HostSnapshot]:
    """Yield the snapshots that say that they were made at ``since`` or later, oldest first.

    With a ``path``, only those that touched it or something below it. Raises UsageError.
    """
    fleet.choose(hosts)
    yield from of_chosen(fleet, since, now, path)


def of_chosen(fleet: Fleet, since: float, now: float, path: bytes = b"/") -> Iterator[HostSnapshot]:
    """The same of the hosts that the index was told to answer for."""
    for host, row in fleet.index.snapshots(since):
        touched = None if row.changes is None else tuple(_touched(row.changes, path))
        if touched is None or touched or path == b"/":
            yield HostSnapshot(
                host=fleet.names[host],
                node=row.node,
                at=row.at,
                user=row.user,
                message=row.message,
                touched=touched,
                ahead=row.at > now + _AHEAD,
            )


def _touched(changes: bytes, path: bytes) -> Iterator[tuple[str, str]]:
    """The lines of a change list that concern ``path`` or what is below it."""
    folder, below = escape(path), escape(prefix(path))
    for line in changes.decode("utf-8", "replace").split("\n")[_HEAD_LINES:]:
        letter, _, name = line.partition(" ")
        if (letter in LETTERS and (name == folder or name.startswith(below))) or (letter == _PACKAGE and path == b"/"):
            yield letter, printable(name)
