"""Write the new snapshot to pacha.db, and commit it to ``db`` with what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pacha.errors import Concern
from pacha.files.names import DATABASE, PACHA_DB
from pacha.push import lost_local_history, reconcile, signing
from pacha.push.reconcile import Base
from pacha.push.scan import remember_scan
from pacha.push.session import PushSession
from pacha.store import change_list, database, hg
from pacha.store.snapshot import Changes, Snapshot
from pacha.text import local_minute

_CORRECTION = 60  #: seconds: a clock that is set back by less is corrected
_SET_BACK = (
    "this machine's clock says {now}, and the last snapshot is of {last}: set the clock if it is wrong, "
    "and choose snapshots by id"
)


def commit_database(
    session: PushSession, base: Base, new: Snapshot, changes: Changes, packages: tuple[str, ...]
) -> tuple[str, bool]:
    """Write ``new`` to pacha.db and commit a copy of it; returns the snapshot's node and whether it is new."""
    unreadable = session.unreadable(DATABASE)
    is_lost = lost_local_history.is_lost(session, DATABASE, base.parent)
    is_same = bool(base.parent) and new == base.last and not (session.state.pending or unreadable or is_lost)
    is_due = not is_same or signing.is_due(session, base.parent)
    if is_due:
        session.open_ahead([])
        session.update(pending=True)
        database.write(session.context.state.database, new, base.last)
    remember_scan(session, written=is_due)
    if not is_due:
        return base.parent, False
    image = database.image(session.context.state.database)
    repository = session.repository(DATABASE)
    known = bool(base.parent) and repository.has(base.parent)
    if is_lost:
        lost_local_history.tell(session, session.path_of(DATABASE))
    parent = base.parent if known else reconcile.parent(repository, None, (), unreadable)
    note = session.note(f"{session.host}: {change_list.counts(changes, packages)}")
    if known:
        session.concerns += _clock_concerns(session, repository.note(base.parent).at, note.at)
    blobs = {PACHA_DB: image, **{name.encode(): text for name, text in session.companions.items()}}
    differs = changes != Changes() or bool(packages or unreadable)
    if differs:  # also after an unreadable one: a readable snapshot has to be the newest
        blobs[change_list.FILE] = change_list.encode(changes, image, packages)
    signed = signing.texts(session, parent, image, note, may_stay=not differs)
    if is_same and not signed.written:  # the key cannot sign
        session.update(pending=False)
        return base.parent, False
    blobs |= signed.written
    node = repository.commit(parent, blobs, signed.removed, lambda name: hg.Blob(blobs[name]), note)
    session.update(tip=node, pending=False, **_state_changes(session, node, note, signed) if node != parent else {})
    return node, node != parent


def _state_changes(session: PushSession, node: str, note: hg.Note, signed: signing.SignedTexts) -> dict[str, Any]:
    """The fields of the state that the new snapshot ``node`` changes."""
    changes: dict[str, Any] = {"made": (node, note.at)}
    if signed.stated:
        changes["stated"] = {**session.state.stated, session.host: replace(signed.stated, tip=node)}
    return changes


def _clock_concerns(session: PushSession, last: float, now: float) -> list[Concern]:
    """A concern if the clock was set back since the ``last`` snapshot: a time may select the wrong one then."""
    if now >= last - _CORRECTION:
        return []
    reason = _SET_BACK.format(now=local_minute(now), last=local_minute(last))
    return [Concern(session.path_of(DATABASE), reason)]
