"""Undo a rebuild: restore what it replaced, removed or changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pacha.errors import PachaError
from pacha.fetch.staging_dir import remove_leftovers
from pacha.host.context import Context
from pacha.machine.packages import installer
from pacha.rebuild import choices
from pacha.rebuild.install_packages import LOG
from pacha.restore import undo as undoing
from pacha.restore import undo_preview
from pacha.restore.journal import AFTER, DONE, RESTARTED, Journal, history, unfinished
from pacha.restore.outcome import Outcome
from pacha.restore.undo_preview import UndoStep


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRecord:
    """An earlier rebuild: its id, its host, its start (seconds since the epoch), how far it came.

    ``target``: the folder below which it restored, b"" for the original places. ``packages``: it installed some, which
    stay when it is undone. ``restarted``: it restarted units, or was ended there; they go on with what they read.
    """

    id: str
    host: str
    at: int
    state: str
    target: bytes = b""
    packages: bool = False
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class Undone:
    """The rebuild that was undone, and the outcome; ``pushes_as``: the host of it that this machine became, or ""."""

    record: RebuildRecord
    outcome: Outcome
    pushes_as: str = ""


def rebuilds(context: Context) -> tuple[RebuildRecord, ...]:
    """The rebuilds whose journals are kept, newest first."""
    state = os.fsencode(context.state.path)
    interrupted, journals = _interrupted(state), history(state)
    try:
        return tuple(_record(journal, interrupted) for journal in reversed(journals))
    finally:
        for journal in journals:
            journal.close()


def undo(context: Context, confirm: Callable[[RebuildRecord], None] = lambda record: None) -> Undone:
    """Undo the newest rebuild that is not undone yet, and that changed something or was killed.

    ``confirm`` gets it before anything is changed, and may raise. Raises LockedError, and PachaError for none.
    """
    with context.state.locked(), _newest(context) as journal:
        record = _record(journal, _interrupted(os.fsencode(context.state.path)))
        confirm(record)
        remove_leftovers(context)
        installer.sweep_leftovers()
        outcome = _undo(journal)
        choices.give_up(context, record.host, journal)
        if not record.target and context.state.read().services_owed:
            context.state.update(services_owed=())
        adopted = context.state.read().hostname
        return Undone(record, outcome, adopted if adopted == record.host and not record.target else "")


def propose(context: Context) -> tuple[RebuildRecord, tuple[UndoStep, ...]]:
    """Return what ``undo`` would do now. Changes nothing; raises as ``undo``."""
    with context.state.locked(only_looks=True), _newest(context) as journal:
        return _record(journal, _interrupted(os.fsencode(context.state.path))), undo_preview.preview(journal)


@contextmanager
def _newest(context: Context) -> Iterator[Journal]:
    """The journal of the newest rebuild that can be undone. Raises PachaError when there is none."""
    journals = history(os.fsencode(context.state.path))
    try:
        # One that was killed before its first change, too: until then it counts as interrupted.
        concerned = (journal for journal in journals if journal.changed or not journal.closed)
        undoable = [journal for journal in concerned if not journal.marks & {"undone", "stopped"}]
        if not undoable:
            raise PachaError(
                "There is no rebuild to undo.", hint="'pacha undo --list' shows what there was.", code="nothing-to-undo"
            )
        yield undoable[-1]
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


def _interrupted(state: bytes) -> set[str]:
    """The ids of the rebuilds that were interrupted and not resumed since."""
    return {journal.id for journal in unfinished(state)}


def _record(journal: Journal, interrupted: Collection[str] = ()) -> RebuildRecord:
    started, marks = journal.started, journal.marks
    open_ = "unfinished" if journal.id in interrupted else "interrupted, finished by a later one"
    state = next((word for word in ("undone", "stopped", "finished") if word in marks), open_)
    state = "finished, nothing to undo" if state == "finished" and not journal.changed else state
    host, at = (started.host, started.at) if started else ("", 0)
    packages = os.path.exists(os.path.join(journal.folder, LOG))
    restarted = RESTARTED in marks or (AFTER in marks and "finished" in marks and DONE not in marks)
    return RebuildRecord(
        id=journal.id, host=host, at=at, state=state, target=journal.target, packages=packages, restarted=restarted
    )
