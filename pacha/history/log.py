"""List a host's snapshots: when each was made, by whom, why, and what it touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pacha.errors import DamagedError
from pacha.files.names import DATABASE
from pacha.history.reader import History
from pacha.store import change_list, hg


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A snapshot: its node, when it was made (seconds since the epoch), by whom (user@machine), the message that
    was given, "" for none, and how many paths it touched by ``added``, ``changed``, ``removed``, ``metadata``.

    Of the message, which may have several lines, nothing but their ends is not safe to print.
    """

    node: str
    at: float
    user: str
    message: str
    touched: Mapping[str, int]


def log(past: History, paths: Sequence[bytes] = ()) -> Iterator[LogEntry]:
    """The snapshots, newest first; with ``paths`` only those that touched one of them, or what is below it.

    Where that cannot be read, it is ``past.unreadable`` from then on.
    """
    for revision in list(past.revisions):
        try:
            touched = _touched(past, revision, paths)
        except DamagedError as error:
            past.spoil(revision.node, error)
            continue
        if touched or not paths:
            message, _ = change_list.split_message(revision.note.message)
            yield LogEntry(revision.node, revision.note.at, revision.note.user, message, touched)


def _touched(past: History, revision: hg.Revision, paths: Sequence[bytes]) -> dict[str, int]:
    if not paths:
        _, counts = change_list.split_message(revision.note.message)
        return counts
    if change_list.FILE not in revision.files:
        return {}  # it touched no path: what is watched changed, or the machine
    return change_list.count(past.read(DATABASE, revision.node, change_list.FILE), paths)
