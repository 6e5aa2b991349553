"""Commit the content of each watched path that changed, and send it to the first master that answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from pacha.errors import PachaError
from pacha.files.amended import amend
from pacha.files.entry import Entry
from pacha.push import commit, lost_local_history, reconcile
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.push.upload import Upload
from pacha.store import hg
from pacha.store.snapshot import Snapshot, Watched, compare, placed
from pacha.system import activity
from pacha.text import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """The entries of a watched path at the last snapshot and now, which of them are owed, and the note of a commit.

    ``refused``: what the disk here did not take, which is no fault of a master.
    """

    watched: Watched
    old: Mapping[bytes, Entry]
    new: Mapping[bytes, Entry]
    owed: Collection[bytes]
    note: hg.Note
    refused: list[PachaError] = field(default_factory=list)


def commit_content(session: PushSession, base: Snapshot, new: Snapshot, owed: Collection[bytes]) -> Snapshot:
    """Commit and send the content of each watched path that differs; returns ``new`` as it was read."""
    changed = {**_changed(base, new), **lost_local_history.to_record(session, new)}
    if not changed:
        return new
    entries, committed = new.entries, []
    session.open_ahead([watched.repository for watched in new.live if watched.path in changed])
    for watched in new.watched:
        if watched.retired or watched.path not in changed:
            committed.append(watched)
            continue
        result = _commit_watched(session, watched, *changed[watched.path], owed)
        committed.append(replace(watched, node=result.node))
        session.concerns += result.concerns
        session.scan.doubtful |= {concern.path for concern in result.concerns}
        entries = amend(entries, result.entries)
        session.scan.doubtful |= {path for path, entry in result.entries.items() if entry is None}
    return replace(new, watched=tuple(committed), entries=entries)


def _changed(base: Snapshot, new: Snapshot) -> dict[bytes, tuple[Mapping[bytes, Entry], Mapping[bytes, Entry]]]:
    """The watched paths whose content differs, each with its old and its new entries."""
    differing = dict.fromkeys(commit.differing(base.entries, new.entries))
    touched = {top.path for top, _ in placed(new.live, differing)}
    tops = [top for top in new.live if top.node is None or top.path in touched]  # mostly none: then nothing is copied
    both = {top.path: (base.below(top) if top.node is not None else {}, new.below(top)) for top in tops}
    return {path: (old, now) for path, (old, now) in both.items() if commit.differing(old, now)}


def _commit_watched(
    session: PushSession,
    watched: Watched,
    old: Mapping[bytes, Entry],
    new: Mapping[bytes, Entry],
    owed: Collection[bytes],
) -> commit.Committed:
    """Commit on top of the heads of the first master that answers, and push it there.

    What is new goes there while it is committed. The other masters get it when everything is committed: each stream
    takes time of this process.
    """
    repository = session.repository(watched.repository)
    session.update(pending=True)
    note = session.note(f"{session.host}: {escape(watched.path)}: {compare(old, new)}")
    change = _Change(watched=watched, old=old, new=new, owed=owed, note=note)
    committed = None
    if watched.node is None and not repository.heads():  # then masters probably have nothing of it either
        with session.following(watched.repository) as growth:
            committed = _commit_on(session, change, session.repository(watched.repository, growth), ())
    for target in session.reached:
        work = partial(_commit_and_send, session, change, repository, committed, target)
        try:
            result = target.talk(watched.repository, work, new=watched.node is None)
            target.sent[watched.repository] = result.node
            return result
        except PachaError as error:
            if change.refused:
                raise
            session.fail(target, error)
    return committed or _commit_on(session, change, repository, ())


def _commit_on(
    session: PushSession, change: _Change, repository: hg.Repository, heads: tuple[str, ...]
) -> commit.Committed:
    """Commit a change on top of the ``heads`` of a master, if it has any."""
    watched, old = change.watched, change.old
    parent = reconcile.parent(repository, watched.node, heads, session.unreadable(watched.repository))
    if lost_local_history.is_lost(session, watched.repository, watched.node):
        old = {}
        lost_local_history.tell(session, watched.path)
    return commit.commit(
        repository, watched, parent=parent, base=old, new=change.new, note=change.note, accounts=session.accounts,
        sealer=session.sealing.sealer, owed=change.owed, sharing=session.sharing,
    )  # fmt: skip


def _commit_and_send(
    session: PushSession,
    change: _Change,
    repository: hg.Repository,
    committed: commit.Committed | None,
    target: MasterTarget,
    peer: Upload,
) -> commit.Committed:
    """Commit on top of a master's heads and push it there; without any, what is ``committed`` already."""
    heads = peer.heads()
    try:
        target.pull_beside(peer, repository, change.watched.repository, heads)
        if heads or committed is None:
            committed = _commit_on(session, change, repository, heads)
    except PachaError as error:
        if error.code == "disk-refused":
            change.refused.append(error)
        raise
    activity.begin(f"sending '{change.watched.repository}' to {target.label}")
    is_divergent = any(not repository.has(head) for head in heads)
    peer.push(repository, committed.node, beside=is_divergent, whole=target.no_deltas)
    return committed
