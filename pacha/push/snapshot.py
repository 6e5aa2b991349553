"""Build the new snapshot from the scan and the last snapshot, and commit it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import pacha
from pacha.errors import Concern, DamagedError
from pacha.files.amended import amend
from pacha.files.entry import Entry
from pacha.files.names import DATABASE, LONGEST_STORED
from pacha.files.parents import observe_parents
from pacha.host import owed
from pacha.machine.packages import package_list
from pacha.machine.packages.changes import compare as compare_packages
from pacha.push import accounts, commit, content, database, sealing
from pacha.push.moved_away import moved_away
from pacha.push.readable import readable
from pacha.push.reconcile import Base
from pacha.push.session import PushSession
from pacha.store import companions
from pacha.store.snapshot import READABLE_FROM, SCHEMA, Changes, Snapshot, Watched, compare, other_than, placed

_OWED = "is owed by the last rebuild: run that again, or give it up with 'pacha push --accept'"
_TOO_LONG = f"not kept, as Mercurial holds no path of more than {LONGEST_STORED} bytes below a watched one"


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
    session.scan.entries, session.scan.to_read = {}, set()  # from now on only the snapshot holds the entries
    new = _with_packages(session, content.commit_content(session, base.last, new, still_owed))
    accepted = readable(new, base.last)
    session.concerns += accepted.concerns
    session.scan.doubtful |= accepted.corrected  # it differs from the disk, and is scanned again at each push
    new = sealing.settle(session, accepted.snapshot, base.last)
    changes = compare(base.entries, new.entries)
    packages = _changed_packages(session, base, new)
    tip, committed = database.commit_database(session, base, new, changes, packages)
    owed_concerns = (Concern(path, _OWED) for path in still_owed)
    session.concerns += [
        *session.scan.concerns,
        *owed_concerns,
        *moved_away(base.entries, new, changes),
        *accounts.kept_names(session.names, new.entries),
        *accounts.unmapped(new.entries),
    ]
    return NewSnapshot(snapshot=new, tip=tip, changes=changes, packages=packages, committed=committed)


def _with_packages(session: PushSession, new: Snapshot) -> Snapshot:
    """Add the package list to ``new``. Content is committed without waiting for it."""
    told = session.told()
    session.concerns += told.concerns
    if told.text is None:
        return new
    session.companions = {**session.companions, companions.PACKAGES: told.text}
    return replace(new, meta=_meta(session))


def build_snapshot(session: PushSession, base: Snapshot) -> tuple[Snapshot, Collection[bytes]]:
    """The snapshot of the scan on top of ``base``; a file that is still to be read has no sha256.

    Also returns the owed paths, which keep their recorded entries.
    """
    scanned, still_owed = owed.keep_recorded(session.context.state, session.scan.entries, base.entries)
    scanned, missing_accounts = owed.in_numbers_of(session.accounts, scanned, still_owed, base.accounts)
    scanned = sealing.mark(session.sealing, scanned, still_owed)
    entries = _stored(session.watched, scanned, base.entries)
    changed = other_than(base.entries, entries)
    too_long = {path for path, entry in changed.items() if len(entry.stored or b"") > LONGEST_STORED}
    session.scan.doubtful |= too_long.union(still_owed)
    session.concerns += [Concern(path, _TOO_LONG) for path in sorted(too_long)]
    watched = [watched.path for watched in session.watched if not watched.retired]
    parents, concerns = observe_parents(watched, base.parents, session.accounts)
    session.concerns += concerns
    added = {(account.is_group, account.name) for account in missing_accounts}
    recorded = [account for account in base.accounts if (account.is_group, account.name) not in added]
    snapshot = Snapshot(
        meta=_meta(session),
        watched=session.watched,
        entries=amend(entries, dict.fromkeys(too_long)) if too_long else entries,
        parents={path: _settled(entry, base.parents.get(path)) for path, entry in parents.items()},
        accounts=(*accounts.recorded_accounts(entries, parents, session.accounts, recorded), *missing_accounts),
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


def _changed_packages(session: PushSession, base: Base, new: Snapshot) -> tuple[str, ...]:
    """The changes of the packages since the parent, in words; none if the parent has no readable package list."""
    text = session.companions.get(companions.PACKAGES)
    if text is None or not base.parent or (new.meta == base.last.meta and not session.state.pending):
        return ()
    try:
        before = session.repository(DATABASE).reader(base.parent)(companions.PACKAGES.encode("ascii"))
        differing = compare_packages(package_list.decode(before), package_list.decode(text)) if before != text else ()
    except DamagedError:  # the parent has none, or another machine made it
        return ()
    return tuple(map(str, differing))
