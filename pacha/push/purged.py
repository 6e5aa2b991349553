"""Forget here what was purged on a master, before anything is sent.

A master may lie. Its record can make this host erase content from its history, which is reported each time. It can
erase no file, and no content of the newest snapshot, unless this push reads that from the disk and records it anew.
No master is purged from here: a second one may be the last that has what the first one wants to be forgotten.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from pacha.errors import Concern, PachaError
from pacha.fetch.unpack import content_names
from pacha.files.entry import Entry, Kind
from pacha.host.owed import left_by_rebuilds
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.store import hg, purges
from pacha.store.purges import Erased, Purge
from pacha.store.snapshot import Snapshot, Watched
from pacha.system.atomic import replace_file

_FORGOTTEN = "{purge}, as {label} says: it is not in the history here any more either"
_BY_RULE = "{purge}, as {label} says: {erased} contents less in the history here"
_WAITS = "{label} has purged what the last snapshot here has: it is forgotten here once a newer snapshot lacks it"
_LACKS = "{purge} on another master, or on this one before it was set back, and not on {label}: run there: {command}"
_UNREADABLE = "what was purged on {label} cannot be read ({why}); nothing is forgotten here"
_PUT_ASIDE = "a rebuild has put files aside here, perhaps with that content: {how}"
_MOST_TOLD = 20

_Revisions = Mapping[bytes, Iterable[str]]


def follow(session: PushSession, last: Snapshot) -> None:
    """Purge the local history as the masters' records say. ``last``: the last snapshot made here, whose scan is done.

    Reports what is forgotten, and which master lacks what another one has purged.
    """
    session.know_purged(purges.read(session.context.state.purged))
    _read_anew(session, session.state.reread)
    for target in session.reached:
        try:
            _follow(session, target, last)
        except PachaError as error:
            target.no_deltas, target.purged = True, target.last_known.purged
            session.tell(_concerns(session, _UNREADABLE.format(label=target.label, why=error.in_a_line)))


def _follow(session: PushSession, target: MasterTarget, last: Snapshot) -> None:
    master, probe = target.connection
    known, now = target.last_known, probe.purged
    target.purged, target.lacks_purges = now, known.lacks_purges
    if now == known.purged and not known.lacks_purges and (now or not session.purged):
        return
    told = purges.decode(master.purged(session.host) or b"") if now else ()
    erased, by_age = Erased.by(told), {purge.paths for purge in told if purge.is_by_age}
    lacking = [
        purge
        for purge in purges.runs(session.purged)
        if not (purge.paths in by_age if purge.is_by_age else _covered(purge, erased))
    ]
    target.lacks_purges = bool(lacking)
    by_command = {purge.command(session.host): purge for purge in lacking}
    session.tell(_of_purges(session, target, _LACKS, by_command.values()))
    if now != known.purged and not _forget(session, target, told, last):
        target.purged, target.no_deltas = known.purged, True  # look again at the next push
    target.no_deltas = target.no_deltas or bool(lacking)


def _covered(purge: Purge, erased: Erased) -> bool:
    """Whether all that ``purge`` names is ``erased``."""
    return all(
        erased.accepts(repository, name, node)
        for repository, names in purge.revisions.items()
        for name, nodes in names.items()
        for node in nodes
    )


def _of_purges(session: PushSession, target: MasterTarget, text: str, told: Iterable[Purge]) -> Iterator[Concern]:
    """A concern with ``text`` for each purge that is ``told``, up to a limit."""
    for purge in islice(told, _MOST_TOLD):
        reason = text.format(purge=purge, label=target.label, command=purge.command(session.host))
        yield Concern(min(purge.paths, default=session.path_of("")), reason)


def _concerns(session: PushSession, text: str) -> list[Concern]:
    return [Concern(session.path_of(""), text)]


def _forget(session: PushSession, target: MasterTarget, told: tuple[Purge, ...], last: Snapshot) -> bool:
    """Erase what ``told`` names, after recording it, as a kill may follow; returns whether nothing has to wait.

    A rule by age erases some content every night: it is a concern at the first time only.
    """
    here = {purge.identity for purge in session.purged}
    new = [purge for purge in purges.runs(told) if purge.identity not in here]
    purged = purges.joined(session.purged, told)
    if purged != session.purged:
        replace_file(session.context.state.purged, purges.encode_all(purged))
        session.know_purged(purged)
    erased, waits = _erase(session, told, last)
    if erased and (to_tell := new or [purge for purge in told if not purge.is_by_age]):
        session.tell(_of_purges(session, target, _FORGOTTEN, to_tell))
        session.tell(_put_aside(session))
    elif erased:
        session.notices.append(_BY_RULE.format(purge=told[-1], label=target.label, erased=erased))
    if waits:
        session.tell(_concerns(session, _WAITS.format(label=target.label)))
    return not waits


def _erase(session: PushSession, told: Iterable[Purge], last: Snapshot) -> tuple[int, bool]:
    """Erase what ``told`` names and nothing spares; returns how many contents, and whether some were spared."""
    erased, waits = 0, False
    for name, revisions in purges.merged(told).items():
        if os.path.isdir(session.context.state.repository(name)):
            repository = session.repository(name)
            spared = _spared(session, repository, name, revisions, last)
            waits = waits or bool(spared)
            erased += repository.erase(
                {file: {node for node in nodes if (file, node) not in spared} for file, nodes in revisions.items()}
            )
    return erased, waits


def _put_aside(session: PushSession) -> Iterator[Concern]:
    """A concern for each folder of files that rebuilds put aside: they are not erased, as a person may need them."""
    for folder in islice(left_by_rebuilds(session.context.state), _MOST_TOLD):
        is_kept = os.path.basename(folder).startswith(b".pacha-kept-")
        yield Concern(folder, _PUT_ASIDE.format(how="'pacha undo' or remove it" if is_kept else "remove it"))


def _spared(
    session: PushSession, repository: hg.Repository, name: str, revisions: _Revisions, last: Snapshot
) -> frozenset[tuple[bytes, str]]:
    """Those of ``revisions`` that the last snapshot needs, without those that are read from the disk again."""
    wanted = {stored: frozenset(nodes) for stored, nodes in revisions.items()}
    spared: set[tuple[bytes, str]] = set()
    for watched in last.watched:
        if watched.repository == name and watched.node and repository.has(watched.node):
            now = {stored: value[:20].hex() for stored, value in repository.names(watched.node).items()}
            needed = {(stored, node) for stored, node in now.items() if node in wanted.get(stored, ())}
            spared |= needed - _anew(session, watched, last, needed) if needed else set()
    return frozenset(spared)


def _anew(
    session: PushSession, watched: Watched, last: Snapshot, needed: set[tuple[bytes, str]]
) -> set[tuple[bytes, str]]:
    """Those of ``needed`` whose file is still on the disk as it was recorded: it is read again."""
    names = {stored for stored, _ in needed}
    entries = {} if watched.retired else last.below(watched)
    having = [
        entry for entry in entries.values() if entry.kind is Kind.FILE and not names.isdisjoint(content_names(entry))
    ]
    paths = [entry.path for entry in having if _is_as_recorded(session, entry)]
    session.update(reread=tuple({*session.state.reread, *paths}))
    _read_anew(session, paths)
    settled = {stored for path in paths for stored in content_names(last.entries[path])}
    return {(stored, node) for stored, node in needed if stored in settled}


def _is_as_recorded(session: PushSession, entry: Entry) -> bool:
    scanned = session.scan.entries.get(entry.path)
    is_there = scanned is not None and scanned.kind is Kind.FILE and scanned.sha256 == entry.sha256
    return is_there and entry.path not in session.state.owed


def _read_anew(session: PushSession, paths: Iterable[bytes]) -> None:
    """Have the commit read these files, although they have not changed."""
    scanned = session.scan.entries
    anew = {
        path: entry._replace(sha256=None)
        for path in paths
        if (entry := scanned.get(path)) is not None and entry.kind is Kind.FILE
    }
    if anew:
        session.scan.entries = {**scanned, **anew}
