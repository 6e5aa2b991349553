"""The list of a host's snapshots: when each was made, by whom, why, and what it touched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pacha.actions import chronicle
from pacha.actions.past import Past
from pacha.errors import DamagedError
from pacha.files.names import DATABASE
from pacha.store import hg

_COUNT = re.compile(r"(\d{1,9}) (added|changed|removed|metadata)\b")


@dataclass(frozen=True, slots=True)
class Logged:
    """A snapshot: its node, when it was made (seconds since the epoch), by whom (user@machine), the message that
    was given, "" for none, and how many paths it touched by ``added``, ``changed``, ``removed``, ``metadata``.

    All of it may have come from anywhere: not safe to print as it is.
    """

    node: str
    at: float
    user: str
    message: str
    touched: Mapping[str, int]


def log(past: Past, paths: Sequence[bytes] = ()) -> Iterator[Logged]:
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
            message, _, _ = revision.note.message.rpartition("\n\n")
            yield Logged(revision.node, revision.note.at, revision.note.user, message, touched)


def _touched(past: Past, revision: hg.Revision, paths: Sequence[bytes]) -> dict[str, int]:
    if not paths:
        _, _, said = revision.note.message.rpartition("\n\n")
        return {word: int(number) for number, word in _COUNT.findall(said)}
    if chronicle.FILE not in revision.files:
        return {}  # it touched no path: what is watched changed, or the machine
    return chronicle.counts(past.read(DATABASE, revision.node, chronicle.FILE), paths)
