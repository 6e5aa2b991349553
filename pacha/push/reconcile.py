"""Choose what a push builds on: the last snapshot made here, or a newer one that only a master has.

A commit's parent is always the tip that the master has. A tip unknown here is pulled first (a machine
rolled back, a commit lost in a power cut) and the snapshot is made on top of it, as a difference from it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Set
from dataclasses import replace

from pacha.errors import ConfigError, DamagedError, PachaError
from pacha.files.names import DATABASE, PACHA_DB, repository_name
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.push.upload import Upload
from pacha.store import database, hg
from pacha.store.snapshot import Snapshot, Watched
from pacha.system.atomic import write_private
from pacha.text import escape, local_minute
from pacha.wire.master import check_may_read

_MOST_TRIED = 20  #: snapshots of a master that are looked at for one that is whole


def base(session: PushSession, last: Snapshot) -> Snapshot:
    """The snapshot to build on; pacha.db and the local history hold it when this returns.

    It is the newest of any master; one that another master led elsewhere stays beside it in the history.
    Raises PachaError when a newest one was made by another machine under our name.
    """
    if not session.reached and _is_renamed(session, last):  # nobody has taken the other name yet
        raise next(target.failure for target in session.targets if target.failure)
    pulled = [(tip, target) for target in session.reached if (tip := _pulled(session, target)) is not None]
    if not pulled:
        return last
    local = session.repository(DATABASE)
    tips = [tip for tip, _ in pulled]
    for tip in tips:
        _check_machine(session, _read(session, local, tip), local.note(tip))
    tip, target = max(pulled, key=lambda offer: _age(local, offer[0], tips))
    fetched = _read(session, local, tip)
    _pull_content(session, fetched, target)
    for reached in session.reached:
        reached.familiar = False  # what is made now need not stand on what any of them has
    session.notices.append(f"Going on from the snapshot {tip[:12]}, which only {target.label} had.")
    return _adopt(session, last, fetched, tip)


def _pulled(session: PushSession, target: MasterTarget) -> str | None:
    """The newest snapshot of a master that is whole, pulled, if what is here does not stand on it."""
    if target.probe is None or target.probe.changelog is None:
        return None
    if target.familiar and session.history() >= session.state.history:
        return None  # else our own history was lost in a power cut, say: Mercurial does not wait for the disk
    local = session.repository(DATABASE)
    try:
        heads = target.talk(DATABASE, lambda peer: _heads(session, target, peer, local))
        return _newest_whole(session, local, target, heads) if heads else None
    except PachaError as error:
        session.fail(target, error)
        return None


def _heads(session: PushSession, target: MasterTarget, peer: Upload, local: hg.Repository) -> tuple[str, ...]:
    """The heads of a master's ``db``, pulled; () if what is here stands on the newest."""
    heads = peer.heads()
    if not heads or _stands_on(session, local, heads[0]):
        return ()
    if not all(map(local.has, heads)):
        check_may_read(session.host, target.probe.may if target.probe else frozenset())
    target.pull(peer, local, DATABASE, heads)
    return heads


def _newest_whole(
    session: PushSession, local: hg.Repository, target: MasterTarget, heads: tuple[str, ...]
) -> str | None:
    """The newest of what ``heads`` stand on that can be read; None where that is what is here.

    Whoever has a key can add a head that is none: it must not end the host's pushes. Raises DamagedError where
    nothing is whole, neither there nor here.
    """
    fault: DamagedError | None = None
    for node in _beyond(session, local, heads):
        try:
            _read(session, local, node)
        except DamagedError as error:
            fault = error
            target.unreadable[DATABASE, node] = error
        else:
            return node
    faults = [*target.unreadable.values(), *filter(None, [fault])]
    if faults and not _is_here(session, local):
        raise faults[-1]
    return None


def _beyond(session: PushSession, local: hg.Repository, heads: tuple[str, ...]) -> Iterator[str]:
    """What ``heads`` stand on and the last snapshot made here does not, newest first: at most so many as are tried."""
    here = [head for head in heads if local.has(head)]
    theirs = (node for node in local.revisions() if any(local.is_ancestor(node, head) for head in here))
    return itertools.takewhile(lambda node: not _stands_on(session, local, node), itertools.islice(theirs, _MOST_TRIED))


def _is_here(session: PushSession, local: hg.Repository) -> bool:
    return bool(session.state.tip) and local.has(session.state.tip)


def _stands_on(session: PushSession, local: hg.Repository, node: str) -> bool:
    """Whether the last snapshot made here is ``node``, or stands on it."""
    return _is_here(session, local) and local.has(node) and local.is_ancestor(node, session.state.tip)


def _age(local: hg.Repository, tip: str, others: list[str]) -> tuple[int, float]:
    """What sorts the snapshots of several masters: how many of them it stands on, then when it was made."""
    return sum(local.is_ancestor(other, tip) for other in others), local.note(tip).at


def parent(
    repository: hg.Repository, node: str | None, theirs: tuple[str, ...], without: Set[str] = frozenset()
) -> str:
    """What a commit stands on: the newest head that has what the master has, else what ``node`` has.

    Never on one of ``without``, which cannot be read: on ``node`` itself then.
    """
    for older in (*theirs[:1], node):
        if older is not None and repository.has(older):
            for head in repository.heads():
                if repository.is_ancestor(older, head):
                    return older if any(_is_on(repository, head, one) for one in without) else head
    return next(iter(repository.heads()), hg.NULL)


def _is_on(repository: hg.Repository, head: str, node: str) -> bool:
    return repository.has(node) and repository.is_ancestor(node, head)


def _read(session: PushSession, local: hg.Repository, node: str) -> Snapshot:
    """The snapshot ``node``, left as ``fetched.db`` in the state folder."""
    path = _fetched(session)
    write_private(path, local.reader(node)(PACHA_DB))
    return database.read_foreign(path)


def _fetched(session: PushSession) -> str:
    return str(session.context.state.path / "fetched.db")


def check_name(session: PushSession, last: Snapshot) -> None:
    """Refuse to push under another name than before, unless told to: it would go where nobody looks for it.

    Raises ConfigError. As long as no master has anything of this machine, it may still choose.
    """
    if session.take_over or not _is_renamed(session, last):
        return
    before = escape(last.host)
    raise ConfigError(
        f"This machine pushed as '{before}' until now, not as '{session.host}'.",
        "its name, or pacha.hostname, is another than before",
        f"Set pacha.hostname = {before}; or, if it is '{session.host}' from now on: pacha push --take-over",
        code="hostname-changed",
    )


def _is_renamed(session: PushSession, last: Snapshot) -> bool:
    kept = session.state.succeeded or session.state.hostname
    return bool(kept) and last.host not in ("", session.host)


def _check_machine(session: PushSession, fetched: Snapshot, note: hg.Note) -> None:
    """Refuse to go on from another machine's snapshot under our name, unless told to."""
    machine = fetched.meta.get("machine", "unknown")
    if session.take_over or machine == session.context.state.machine():
        return
    when = local_minute(note.at)
    raise PachaError(
        f"Another machine pushes as '{session.host}'.",
        f"machine {escape(machine.encode())[:40]} ({escape(note.user.encode())}) made its newest snapshot, {when}",
        "Give this one its own pacha.hostname; or, if it takes the other's place: pacha push --take-over; "
        f"or, if it is that machine, and lost its state folder: pacha restore-db {session.host}",
        code="pushed-by-another-machine",
    )


def _pull_content(session: PushSession, snapshot: Snapshot, target: MasterTarget) -> None:
    for watched in snapshot.watched:
        repository = session.repository(watched.repository)
        if watched.node is not None and not repository.has(watched.node):
            with target.peer(watched.repository) as peer:
                peer.pull(repository, [watched.node])


def _adopt(session: PushSession, last: Snapshot, fetched: Snapshot, tip: str) -> Snapshot:
    """Make pacha.db the fetched one, row by row as it lay, with what is watched here and not there."""
    os.replace(_fetched(session), session.context.state.database)
    joined = fetched.with_watched(_joined(session, last.watched, fetched.watched))
    database.write(session.context.state.database, joined)
    at = session.repository(DATABASE).note(tip).at
    session.update(tip=tip, made=(tip, at), pending=joined != fetched)
    return joined


def _joined(session: PushSession, mine: tuple[Watched, ...], theirs: tuple[Watched, ...]) -> tuple[Watched, ...]:
    joined = list(theirs)
    for watched in mine:
        if any(watched.path == other.path for other in theirs):
            continue
        live = [other for other in joined if not other.retired]
        if not watched.retired and any(watched.holds(other.path) or other.holds(watched.path) for other in live):
            session.notices.append(
                f"{escape(watched.path)} is no longer watched: it overlaps with what the master has."
            )
            continue
        name = watched.repository
        if name in {other.repository for other in joined}:
            name = repository_name(watched.path, [other.repository for other in joined])
        joined.append(replace(watched, repository=name, node=None))
    return tuple(joined)
