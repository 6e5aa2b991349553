"""Undo a rebuild: what it replaced, removed or changed is as it was before."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pacha.errors import PachaError
from pacha.fetch.staging_dir import remove_leftovers
from pacha.host.context import Context
from pacha.rebuild import choices
from pacha.restore import undo as undoing
from pacha.restore import undo_preview
from pacha.restore.journal import Journal, history, unfinished
from pacha.restore.outcome import Outcome
from pacha.restore.undo_preview import UndoStep


@dataclass(frozen=True, slots=True)
class RebuildRecord:
    """A rebuild that was: its id, its host, when it began (seconds since the epoch), how far it came.

    ``target``: the folder that it put everything below, b"" for the original places.
    """

    id: str
    host: str
    at: int
    state: str
    target: bytes = b""


@dataclass(frozen=True, slots=True)
class Undone:
    """Which rebuild was undone, and what came of it."""

    past: RebuildRecord
    outcome: Outcome


def rebuilds(context: Context) -> tuple[RebuildRecord, ...]:
    """The rebuilds of which something is kept, newest first."""
    state = os.fsencode(context.state.path)
    waiting, journals = _waiting(state), history(state)
    try:
        return tuple(_past(journal, waiting) for journal in reversed(journals))
    finally:
        for journal in journals:
            journal.close()


def undo(context: Context, confirm: Callable[[RebuildRecord], None] = lambda past: None) -> Undone:
    """Undo the newest rebuild that changed something and is not undone yet, whether it finished or was killed.

    ``confirm`` is told which, before anything is changed, and may raise. Raises LockedError, PachaError when there is
    none.
    """
    with context.state.locked(), _newest(context) as journal:
        past = _past(journal, _waiting(os.fsencode(context.state.path)))
        confirm(past)
        remove_leftovers(context)
        outcome = _undo(journal)
        choices.give_up(context, journal)
        return Undone(past, outcome)


def propose(context: Context) -> tuple[RebuildRecord, tuple[UndoStep, ...]]:
    """What ``undo`` would do now. Changes nothing; raises as ``undo``."""
    with context.state.locked(), _newest(context) as journal:
        return _past(journal, _waiting(os.fsencode(context.state.path))), undo_preview.preview(journal)


@contextmanager
def _newest(context: Context) -> Iterator[Journal]:
    """The journal of the newest rebuild that can be undone. Raises PachaError when there is none."""
    journals = history(os.fsencode(context.state.path))
    try:
        open_ones = [journal for journal in journals if journal.changed and not journal.marks & {"undone", "stopped"}]
        if not open_ones:
            raise PachaError(
                "There is no rebuild to undo.", hint="'pacha undo --list' shows what there was.", code="nothing-to-undo"
            )
        yield open_ones[-1]
    finally:
        for journal in journals:
            journal.close()


def _undo(journal: Journal) -> Outcome:
    try:
        return undoing.undo(journal)
    except OSError as error:
        raise PachaError(
            "The rebuild was not undone to its end.",
            error.strerror or "",
            "Fix that and run 'pacha undo' again.",
            code="undo-unfinished",
        ) from None


def _waiting(state: bytes) -> set[str]:
    """The ids of those that were interrupted and not carried through since."""
    found = unfinished(state)
    for journal in found:
        journal.close()
    return {journal.id for journal in found}


def _past(journal: Journal, waiting: Collection[str] = ()) -> RebuildRecord:
    begun, marks = journal.started, journal.marks
    open_ = "unfinished" if journal.id in waiting else "interrupted, finished by a later one"
    state = next((word for word in ("undone", "stopped", "finished") if word in marks), open_)
    state = "finished, nothing to undo" if state == "finished" and not journal.changed else state
    return RebuildRecord(journal.id, begun.host if begun else "", begun.at if begun else 0, state, journal.target)
