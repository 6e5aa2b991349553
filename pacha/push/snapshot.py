"""Build the new snapshot from the scan and the last snapshot, and commit it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import pacha
from pacha.errors import Concern, PachaError
from pacha.files import acl, owners, scan
from pacha.files.metadata import Entry
from pacha.files.names import DATABASE, PACHA_DB
from pacha.host import owed, watch
from pacha.push import commit, reconcile
from pacha.push.reconcile import Base
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.push.upload import Upload
from pacha.store import change_list, database, hg
from pacha.store.snapshot import READABLE_FROM, SCHEMA, Changes, Snapshot, Watched, compare, grouped
from pacha.text import escape

_OWED = "is owed by the last rebuild: run that again, or give it up with 'pacha push --accept'"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSnapshot:
    """What was committed: the snapshot, its node, how it differs, and whether that is a new revision."""

    snapshot: Snapshot
    tip: str
    changes: Changes
    committed: bool


def commit_snapshot(session: PushSession, base: Base) -> NewSnapshot:
    """Commit what the scan found on top of ``base``: content first, ``db`` last."""
    wanted, still_owed = build_snapshot(session, base.last)
    new = _commit_content(session, base.last, wanted)
    changes = compare(base.entries, new.entries)
    tip, committed = _commit_database(session, base, new, changes)
    _remember_scan(session, new)
    session.concerns += [*session.scan.concerns, *(Concern(path, _OWED) for path in still_owed)]
    return NewSnapshot(snapshot=new, tip=tip, changes=changes, committed=committed)


def build_snapshot(session: PushSession, base: Snapshot) -> tuple[Snapshot, Iterable[bytes]]:
    """The snapshot that the scan makes on top of ``base``; files still to be read have no sha256.

    Also returns the paths that a rebuild still owes: they are kept as they were recorded.
    """
    accounts = session.accounts
    found, still_owed = owed.keep_recorded(session.context.state, session.scan.entries, base.entries)
    found, carried = owed.in_numbers_of(accounts, found, still_owed, base.accounts)
    entries = _stored(session.watched, found, base.entries)
    parents = scan.parents(watch.scan_targets(session.watched), accounts)
    snapshot = Snapshot(
        meta=_meta(session),
        watched=session.watched,
        entries=entries,
        parents={path: _settled(entry, base.parents.get(path)) for path, entry in parents.items()},
        accounts=(*_accounts(entries, parents, accounts), *carried),
    )
    return snapshot, still_owed


def _stored(
    watched: Iterable[Watched], found: Mapping[bytes, Entry], known: Mapping[bytes, Entry]
) -> dict[bytes, Entry]:
    """The entries ``found`` below what is watched, each with the name under which its content is kept."""
    entries: dict[bytes, Entry] = {}
    live = {one.path: one for one in watched if not one.retired}
    for top, below in grouped(live.values(), found).items():
        for path, entry in below.items():
            before = known.get(path)
            if before is not entry or entry.stored is None:
                if before is not None and before.parts and not entry.parts:
                    entry = replace(entry, parts=before.parts)
                entry = commit.stored(live[top], entry)
            entries[path] = entry
    return entries


def _meta(session: PushSession) -> dict[str, str]:
    context = session.context
    return {
        "schema": str(SCHEMA),
        "readable_from": str(READABLE_FROM),
        "host": session.host,
        "machine": context.state.machine(),
        "frequency": f"{context.config.frequency:g}",
        "version": pacha.__version__,
    }


def _settled(entry: Entry, before: Entry | None) -> Entry:
    """A parent's time moves with every neighbour that comes and goes: alone it is no change."""
    if before is not None and replace(entry, mtime_ns=before.mtime_ns) == before:
        return before
    return entry


def _accounts(
    entries: Mapping[bytes, Entry], parents: Mapping[bytes, Entry], machine: owners.Accounts
) -> tuple[owners.Account, ...]:
    """The accounts behind every owner met, in ACLs too, so that a fresh machine can be told how to make them."""
    every = [*entries.values(), *parents.values()]
    users = {entry.owner for entry in every}
    groups = {entry.group for entry in every}
    for xattrs in {entry.xattrs for entry in every if entry.xattrs}:
        uids, gids = acl.numbers(xattrs)
        users |= {machine.user_name(uid) for uid in uids}
        groups |= {machine.group_name(gid) for gid in gids}
    return owners.describe(users - {None}, groups - {None})  # type: ignore[arg-type]


def _changed(base: Snapshot, new: Snapshot) -> dict[bytes, tuple[dict[bytes, Entry], dict[bytes, Entry]]]:
    """The watched paths whose content differs: what was below each, and what is."""
    both = {one.path: (base.below(one) if one.node is not None else {}, new.below(one)) for one in new.live}
    return {path: (old, now) for path, (old, now) in both.items() if commit.differing(old, now)}


def _commit_content(session: PushSession, base: Snapshot, new: Snapshot) -> Snapshot:
    """Commit and send each watched path's content that differs; returns ``new`` as it was read."""
    entries, committed = dict(new.entries), []
    changed = _changed(base, new)
    if changed:
        session.open_ahead([watched.repository for watched in new.live if watched.path in changed])
    for watched in new.watched:
        if watched.retired or watched.path not in changed:
            committed.append(watched)
            continue
        result = _commit_watched(session, watched, *changed[watched.path])
        committed.append(replace(watched, node=result.node))
        session.concerns += result.concerns
        for path, entry in result.entries.items():
            entries.pop(path, None)
            if entry is not None:
                entries[path] = entry
    return replace(new, watched=tuple(committed), entries=entries)


def _commit_watched(
    session: PushSession, watched: Watched, old: Mapping[bytes, Entry], now: Mapping[bytes, Entry]
) -> commit.Committed:
    """Commit on top of what the first master has that can be talked to, and push it there."""
    repository = session.repository(watched.repository)
    session.update(pending=True)
    note = session.note(f"{session.host}: {escape(watched.path)}: {compare(old, now)}")

    def commit_on(theirs: tuple[str, ...]) -> commit.Committed:
        parent = reconcile.parent(repository, watched.node, theirs, session.unreadable(watched.repository))
        return commit.commit(repository, watched, parent, old, now, note)

    def send(target: MasterTarget, peer: Upload) -> commit.Committed:
        theirs = peer.heads()
        target.pull(peer, repository, watched.repository, theirs)
        done = commit_on(theirs) if theirs or result is None else result
        beside = any(not repository.has(head) for head in theirs)
        peer.push(repository, done.node, beside=beside)
        return done

    is_first = watched.node is None and not repository.heads()
    result = commit_on(()) if is_first else None  # masters have nothing of it either, it seems
    for target in session.reached:
        try:
            result = target.talk(watched.repository, partial(send, target), new=watched.node is None)
            target.sent[watched.repository] = result.node
            return result  # the other masters get it when all is committed
        except PachaError as error:
            session.fail(target, error)
    return result or commit_on(())


def _commit_database(session: PushSession, base: Base, new: Snapshot, changes: Changes) -> tuple[str, bool]:
    """Make pacha.db say ``new`` and commit a copy of it; returns the snapshot's node and whether it is new."""
    unreadable = session.unreadable(DATABASE)
    if base.parent and new == base.last and not session.state.pending and not unreadable:
        return base.parent, False
    session.open_ahead([])
    session.update(pending=True)
    database.write(session.context.state.database, new)
    image = database.image(session.context.state.database)
    repository = session.repository(DATABASE)
    known = bool(base.parent) and repository.has(base.parent)
    parent = base.parent if known else reconcile.parent(repository, None, (), unreadable)
    note = session.note(f"{session.host}: {changes}")
    blobs = {PACHA_DB: image}
    if changes != Changes() or unreadable:  # what can be read is to be the newest again
        blobs[change_list.FILE] = change_list.encode(changes, image)
    node = repository.commit(parent, blobs, [], lambda name: hg.Blob(blobs[name]), note)
    session.update(tip=node, pending=False, **({"made": (node, note.at)} if node != parent else {}))
    return node, node != parent


def _remember_scan(session: PushSession, new: Snapshot) -> None:
    """Remember what the scan saw, for the next one; say what was left out and was not said before."""
    found = session.scan
    session.notices += [f"{escape(path)}: a socket; never kept" for path in found.left_out if path not in session.named]
    marks = {path: mark for path, mark in found.fingerprints.items() if path in new.entries}
    database.write_cache(session.context.state.cache, session.fingerprints, marks, found.left_out)
