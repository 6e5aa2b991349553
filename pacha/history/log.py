"""List a host's snapshots: time, user, message, and the number of touched paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pacha.errors import DamagedError
from pacha.files.names import DATABASE
from pacha.history.reader import History
from pacha.store import change_list, hg


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A snapshot: its node, its time (seconds since the epoch), its user (user@machine), its message ("": none), and
    the number of paths that it touched by ``added``, ``changed``, ``removed``, ``metadata``, and of ``packages``.

    The texts are safe to print; the message may have several lines.
    """

    node: str
    at: float
    user: str
    message: str
    touched: Mapping[str, int]


def log(history: History, paths: Sequence[bytes] = ()) -> Iterator[LogEntry]:
    """Yield the snapshots, newest first; with ``paths``, only those that touched one of them, or a path below.

    A snapshot that turns out to be unreadable joins ``history.unreadable``.
    """
    for revision in list(history.revisions):
        try:
            touched = _touched(history, revision, paths)
        except DamagedError as error:
            history.spoil(revision.node, error)
            continue
        if touched or not paths:
            message, _ = change_list.split_message(revision.note.message)
            yield LogEntry(revision.node, revision.note.at, revision.note.user, message, touched)


def _touched(history: History, revision: hg.Revision, paths: Sequence[bytes]) -> dict[str, int]:
    if not paths:
        _, counts = change_list.split_message(revision.note.message)
        return counts
    if change_list.FILE not in revision.files:
        return {}  # only the watched paths or the machine changed
    return change_list.count(history.read(DATABASE, revision.node, change_list.FILE), paths)
