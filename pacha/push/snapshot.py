"""Build the new snapshot from the scan and the last snapshot, and commit it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pacha
from pacha.config.keys import STANDALONE
from pacha.errors import Concern, DamagedError, PachaError
from pacha.files import acl, owners, user_namespace
from pacha.files.amended import amend
from pacha.files.listing import Fingerprints
from pacha.files.metadata import Entry
from pacha.files.mount_points import MountPoints
from pacha.files.name_service import NSSWITCH
from pacha.files.names import DATABASE, LONGEST_STORED, PACHA_DB
from pacha.files.parents import observe_parents
from pacha.host import owed
from pacha.machine.packages import package_list
from pacha.machine.packages.changes import compare as compare_packages
from pacha.push import commit, lost_history, reconcile, sealing, signing
from pacha.push.moved_away import moved_away
from pacha.push.readable import readable
from pacha.push.reconcile import Base
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.push.upload import Upload
from pacha.store import change_list, companions, database, hg, scan_cache
from pacha.store.recorded import summary_of
from pacha.store.snapshot import READABLE_FROM, SCHEMA, Changes, Snapshot, Watched, compare, other_than, placed
from pacha.system import activity
from pacha.text import escape, local_minute

_KEPT = (
    "its {kind} {number} has no name now, as if the directory service did not answer; it stays recorded as {name}'s. "
    "If that account is no more, give its files to another (chown), or record the number alone: pacha push --accept"
)
_UNMAPPED = (
    "its {kind} is one that this user namespace does not map ({count} paths have such); only root outside of it "
    "can tell whose they are: they are recorded as nobody's, and a rebuild gives them to root alone"
)
_OWED = "is owed by the last rebuild: run that again, or give it up with 'pacha push --accept'"
_TOO_LONG = f"not kept, as Mercurial holds no path of more than {LONGEST_STORED} bytes below a watched one"

_SET_RIGHT = 60  #: seconds by which a clock may be set back to be right
_SET_BACK = (
    "this machine's clock says {now}, and the last snapshot is of {last}: set the clock if it is wrong, "
    "and choose snapshots by id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSnapshot:
    """The new snapshot, its node, its changes, those of the packages in words, and whether it is a new revision."""

    snapshot: Snapshot
    tip: str
    changes: Changes
    packages: tuple[str, ...]
    committed: bool


def commit_snapshot(session: PushSession, base: Base) -> NewSnapshot:
    """Commit the scan's result on top of ``base``: content first, ``db`` last."""
    new, still_owed = build_snapshot(session, base.last)
    session.scan.entries, session.scan.unread = {}, set()  # of each path there is one entry from now on
    new = _with_packages(session, _commit_content(session, base.last, new, still_owed))
    new = _readable(session, new, base.last)
    new = sealing.settle(session, new, base.last)
    changes = compare(base.entries, new.entries)
    packages = _changed_packages(session, base, new)
    tip, committed = _commit_database(session, base, new, changes, packages)
    owed_concerns = (Concern(path, _OWED) for path in still_owed)
    session.concerns += [
        *session.scan.concerns,
        *owed_concerns,
        *moved_away(base.entries, new, changes),
        *_kept_names(session, new.entries),
        *_unmapped(new.entries),
    ]
    return NewSnapshot(snapshot=new, tip=tip, changes=changes, packages=packages, committed=committed)


def _with_packages(session: PushSession, new: Snapshot) -> Snapshot:
    """``new`` with what is told of the packages, which no content waits for."""
    told = session.told()
    session.concerns += told.concerns
    if told.text is None:
        return new
    session.companions = {**session.companions, companions.PACKAGES: told.text}
    return replace(new, meta=_meta(session))


def _readable(session: PushSession, new: Snapshot, base: Snapshot) -> Snapshot:
    """``new`` as its readers accept it. What it lacks for that is looked at, and named, at each push."""
    found = readable(new, base)
    session.concerns += found.concerns
    session.scan.doubtful |= found.mended
    return found.snapshot


def build_snapshot(session: PushSession, base: Snapshot) -> tuple[Snapshot, Collection[bytes]]:
    """The snapshot of the scan on top of ``base``; a file that is still to be read has no sha256.

    Also returns the owed paths, which keep their recorded entries.
    """
    accounts = session.accounts
    scanned, still_owed = owed.keep_recorded(session.context.state, session.scan.entries, base.entries)
    scanned, missing_accounts = owed.in_numbers_of(accounts, scanned, still_owed, base.accounts)
    scanned = sealing.mark(session.sealing, scanned, still_owed)
    entries = _stored(session.watched, scanned, base.entries)
    changed = other_than(base.entries, entries)
    too_long = {path for path, entry in changed.items() if len(entry.stored or b"") > LONGEST_STORED}
    session.scan.doubtful |= too_long.union(still_owed)
    session.concerns += [Concern(path, _TOO_LONG) for path in sorted(too_long)]
    watched = [watched.path for watched in session.watched if not watched.retired]
    parents, concerns = observe_parents(watched, base.parents, accounts)
    session.concerns += concerns
    added = {(account.is_group, account.name) for account in missing_accounts}
    recorded = [account for account in base.accounts if (account.is_group, account.name) not in added]
    snapshot = Snapshot(
        meta=_meta(session),
        watched=session.watched,
        entries=amend(entries, dict.fromkeys(too_long)) if too_long else entries,
        parents={path: _settled(entry, base.parents.get(path)) for path, entry in parents.items()},
        accounts=(*_accounts(entries, parents, accounts, recorded), *missing_accounts),
    )
    return snapshot, still_owed


def _stored(
    watched: Iterable[Watched], scanned: Mapping[bytes, Entry], base: Mapping[bytes, Entry]
) -> Mapping[bytes, Entry]:
    """The entries ``scanned`` below the watched paths, each with the name under which its content is stored."""
    changed = other_than(base, scanned)
    if not changed and len(scanned) == len(base):
        return base
    entries = dict[bytes, Entry]()
    for top, entry in placed([top for top in watched if not top.retired], changed):
        before = base.get(entry.path)
        if before is not None and before.parts and not entry.parts:
            entry = entry._replace(parts=before.parts)
        entries[entry.path] = commit.stored(top, entry)
    return entries if len(changed) == len(scanned) else amend(scanned, {**dict.fromkeys(changed), **entries})


def _meta(session: PushSession) -> dict[str, str]:
    context = session.context
    return {
        "schema": str(SCHEMA),
        "readable_from": str(READABLE_FROM),
        "host": session.host,
        "machine": context.state.machine(),
        "frequency": f"{context.config.frequency:g}",
        "version": pacha.__version__,
        **companions.meta(session.companions),
    }


def _settled(entry: Entry, before: Entry | None) -> Entry:
    """Ignore a change of a parent's time alone, which every new neighbour causes."""
    if before is not None and entry._replace(mtime_ns=before.mtime_ns) == before:
        return before
    return entry


def _accounts(
    entries: Mapping[bytes, Entry],
    parents: Mapping[bytes, Entry],
    machine: owners.Accounts,
    recorded: Iterable[owners.Account],
) -> tuple[owners.Account, ...]:
    """The accounts of all owners, also in ACLs, so that a new machine can be told how to make them.

    Those for which nothing answers now stay as they were ``recorded``.
    """
    found_in = [summary_of(entries), summary_of(parents)]
    users = {owner for summary in found_in for _, owner, _, _ in summary.owners}
    groups = {group for summary in found_in for _, _, _, group in summary.owners}
    for xattrs in found_in[0].xattrs | found_in[1].xattrs:
        uids, gids = acl.numbers(xattrs)
        users |= {machine.user_name(uid) for uid in uids}
        groups |= {machine.group_name(gid) for gid in gids}
    described = owners.describe(users - {None}, groups - {None})  # type: ignore[arg-type]
    found = {(account.is_group, account.name) for account in described}
    lacking = [account for account in recorded if (account.is_group, account.name) not in found]
    kept = [account for account in lacking if not account.is_group and account.name in users]
    numbers, names = {user.gid for user in kept}, groups.union(*(user.groups for user in kept))
    kept += [group for group in lacking if group.is_group and (group.name in names or group.number in numbers)]
    return tuple(sorted((*described, *kept), key=lambda account: (not account.is_group, account.name)))


def _unmapped(entries: Mapping[bytes, Entry]) -> Iterator[Concern]:
    """A concern for the paths of users, and one for those of groups, which the user namespace of this process lacks."""
    if not user_namespace.is_partial():
        return
    every = entries.values()
    users = [each.path for each in every if each.owner is None and each.uid == user_namespace.OVERFLOW]
    groups = [each.path for each in every if each.group is None and each.gid == user_namespace.OVERFLOW]
    for kind, having in (("owner", users), ("group", groups)):
        if having:
            yield Concern(min(having), _UNMAPPED.format(kind=kind, count=len(having)))


def _kept_names(session: PushSession, entries: Mapping[bytes, Entry]) -> Iterator[Concern]:
    """A concern for each number that keeps the name that it was recorded with, at the first path that has it."""
    for kind, kept in (("owner", session.names.users), ("group", session.names.groups)):
        for number, name in sorted(kept.items()):
            having = (
                path for path, entry in entries.items() if number == (entry.uid if kind == "owner" else entry.gid)
            )
            where = min(having, default=os.fsencode(NSSWITCH))
            yield Concern(where, _KEPT.format(kind=kind, number=number, name=escape(name)))


def _changed(base: Snapshot, new: Snapshot) -> dict[bytes, tuple[Mapping[bytes, Entry], Mapping[bytes, Entry]]]:
    """The watched paths whose content differs, each with its old and its new entries."""
    differing = dict.fromkeys(commit.differing(base.entries, new.entries))
    touched = {top.path for top, _ in placed(new.live, differing)}
    tops = [top for top in new.live if top.node is None or top.path in touched]  # mostly none: then nothing is copied
    both = {top.path: (base.below(top) if top.node is not None else {}, new.below(top)) for top in tops}
    return {path: (old, now) for path, (old, now) in both.items() if commit.differing(old, now)}


def _commit_content(session: PushSession, base: Snapshot, new: Snapshot, owed: Collection[bytes]) -> Snapshot:
    """Commit and send the content of each watched path that differs; returns ``new`` as it was read."""
    changed = {**_changed(base, new), **lost_history.to_record(session, new)}
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


def _commit_watched(
    session: PushSession,
    watched: Watched,
    old: Mapping[bytes, Entry],
    now: Mapping[bytes, Entry],
    owed: Collection[bytes],
) -> commit.Committed:
    """Commit on top of the heads of the first master that answers, and push it there.

    What is new goes there while it is committed. The other masters get it afterwards: each stream takes time of this
    process.
    """
    repository = session.repository(watched.repository)
    session.update(pending=True)
    note = session.note(f"{session.host}: {escape(watched.path)}: {compare(old, now)}")

    def commit_on(heads: tuple[str, ...], repository: hg.Repository = repository) -> commit.Committed:
        parent = reconcile.parent(repository, watched.node, heads, session.unreadable(watched.repository))
        before = old
        if lost_history.is_lost(session, watched.repository, watched.node):
            before = {}
            lost_history.tell(session, watched.path)
        return commit.commit(
            repository, watched, parent, before, now, note, session.accounts, session.sealing.sealer, owed,
            session.sharing,
        )  # fmt: skip

    def send(target: MasterTarget, peer: Upload) -> commit.Committed:
        heads = peer.heads()
        try:
            target.pull_beside(peer, repository, watched.repository, heads)
            committed = commit_on(heads) if heads or result is None else result
        except PachaError as error:
            if error.code == "disk-refused":
                refused.append(error)
            raise
        activity.begin(f"sending '{watched.repository}' to {target.label}")
        is_divergent = any(not repository.has(head) for head in heads)
        peer.push(repository, committed.node, beside=is_divergent, whole=target.whole)
        return committed

    result, refused = None, list[PachaError]()  # what the disk here refuses is no fault of the master
    if watched.node is None and not repository.heads():  # then masters probably have nothing of it either
        with session.following(watched.repository) as growth:
            result = commit_on((), session.repository(watched.repository, growth))
    for target in session.reached:
        try:
            result = target.talk(watched.repository, partial(send, target), new=watched.node is None)
            target.sent[watched.repository] = result.node
            return result  # the other masters get it after everything is committed
        except PachaError as error:
            if refused:
                raise
            session.fail(target, error)
    return result or commit_on(())


def _changed_packages(session: PushSession, base: Base, new: Snapshot) -> tuple[str, ...]:
    """The changes of the packages since the parent, in words; none where that does not say which it had."""
    text = session.companions.get(companions.PACKAGES)
    if text is None or not base.parent or (new.meta == base.last.meta and not session.state.pending):
        return ()
    try:
        before = session.repository(DATABASE).reader(base.parent)(companions.PACKAGES.encode("ascii"))
        differing = compare_packages(package_list.decode(before), package_list.decode(text)) if before != text else ()
    except DamagedError:  # the parent has none, or another machine made it
        return ()
    return tuple(map(str, differing))


def _commit_database(
    session: PushSession, base: Base, new: Snapshot, changes: Changes, packages: tuple[str, ...]
) -> tuple[str, bool]:
    """Write ``new`` to pacha.db and commit a copy of it; returns the snapshot's node and whether it is new."""
    unreadable = session.unreadable(DATABASE)
    is_lost = lost_history.is_lost(session, DATABASE, base.parent)
    is_same = bool(base.parent) and new == base.last and not (session.state.pending or unreadable or is_lost)
    is_due = not is_same or signing.is_due(session, base.parent)
    if is_due:
        session.open_ahead([])
        session.update(pending=True)
        database.write(session.context.state.database, new, base.last)
    _remember_scan(session, written=is_due)
    if not is_due:
        return base.parent, False
    image = database.image(session.context.state.database)
    repository = session.repository(DATABASE)
    known = bool(base.parent) and repository.has(base.parent)
    if is_lost:
        lost_history.tell(session, session.path_of(DATABASE))
    parent = base.parent if known else reconcile.parent(repository, None, (), unreadable)
    note = session.note(f"{session.host}: {change_list.counts(changes, packages)}")
    if known:
        session.concerns += _of_the_clock(session, repository.note(base.parent).at, note.at)
    blobs = {PACHA_DB: image, **{name.encode(): text for name, text in session.companions.items()}}
    differs = changes != Changes() or bool(packages or unreadable)
    if differs:  # a readable snapshot has to be the newest again
        blobs[change_list.FILE] = change_list.encode(changes, image, packages)
    signed = signing.texts(session, parent, image, note, may_stay=not differs)
    if is_same and not signed.written:  # the key cannot sign
        session.update(pending=False)
        return base.parent, False
    blobs |= signed.written
    node = repository.commit(parent, blobs, signed.removed, lambda name: hg.Blob(blobs[name]), note)
    session.update(tip=node, pending=False, **_of_commit(session, node, note, signed) if node != parent else {})
    return node, node != parent


def _of_commit(session: PushSession, node: str, note: hg.Note, signed: signing.SignedTexts) -> dict[str, Any]:
    """What the state remembers of the new snapshot ``node``."""
    made: dict[str, Any] = {"made": (node, note.at)}
    if signed.stated:
        made["stated"] = {**session.state.stated, session.host: replace(signed.stated, tip=node)}
    return made


def _of_the_clock(session: PushSession, last: float, now: float) -> list[Concern]:
    """The concern about a clock that was set back since the ``last`` snapshot: times mean none of these any more."""
    if now >= last - _SET_RIGHT:
        return []
    reason = _SET_BACK.format(now=local_minute(now), last=local_minute(last))
    return [Concern(session.path_of(DATABASE), reason)]


def _remember_scan(session: PushSession, *, written: bool) -> None:
    """Remember the fingerprints for the next scan, and add a notice for what is left out and was not before.

    pacha.db has what was found by now, and the fingerprints are not needed any more. Where something is doubtful it may
    have more, as what is owed and not there: then the next scan compares with all that it has.
    """
    scanned = session.scan
    mounted = tuple(sorted(scanned.mounted | _volumes_of_masters(session)))
    if mounted != session.state.mounted:
        session.update(mounted=mounted)
    before = session.fingerprints
    new_ones = [(path, what) for path, what in scanned.left_out.items() if before.left_out.get(path) != what]
    session.notices += [f"{escape(path)} is left out: {what}" for path, what in new_ones]
    state, now = session.context.state, scanned.fingerprints
    differs = (now.listings, now.left_out) != (before.listings, before.left_out)
    if written or differs or not (before.are_recorded and now.are_recorded):
        scan_cache.write(state.cache, before, now, state.database)
    session.fingerprints, scanned.listings = Fingerprints(), {}


def _volumes_of_masters(session: PushSession) -> frozenset[bytes]:
    """The mount points, of now and not mounted any more, on which a master that is a folder of this machine lies."""
    if STANDALONE not in session.context.config.masters():
        return frozenset()
    points, path = MountPoints.of_machine(session.state.mounted), session.context.config.hosts_path
    return points.missing_above(path) | points.met(path, ())
