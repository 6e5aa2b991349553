"""Choose what a push builds on: the last snapshot made here, or a newer one that only a master has.

A commit's parent is always the master's tip. A tip that is unknown here (a machine was set back, a commit was lost in a
power cut) is pulled first, and the snapshot is made on top of it, as a difference from it.
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

_MOST_TRIED = 20  #: snapshots of a master that are searched for an intact one


def base(session: PushSession, last: Snapshot) -> Snapshot:
    """The snapshot to build on, which pacha.db and the local history have when this returns.

    It is the newest one of all masters; a diverging one of another master stays in the history as another head. Raises
    PachaError if another machine made a newest one under our name.
    """
    if not session.reached and _is_renamed(session, last):  # the new name is not taken yet
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
        reached.familiar = False  # the new snapshot may not descend from theirs
    session.notices.append(f"Going on from the snapshot {tip[:12]}, which only {target.label} had.")
    return _adopt(session, last, fetched, tip)


def _pulled(session: PushSession, target: MasterTarget) -> str | None:
    """Pull the newest intact snapshot of a master; None if the local history descends from it."""
    if target.probe is None or target.probe.changelog is None:
        return None
    if target.familiar and session.history() >= session.state.history:
        return None  # else history was lost, for example in a power cut: Mercurial does not sync
    local = session.repository(DATABASE)
    try:
        heads = target.talk(DATABASE, lambda peer: _heads(session, target, peer, local))
        return _newest_whole(session, local, target, heads) if heads else None
    except PachaError as error:
        session.fail(target, error)
        return None


def _heads(session: PushSession, target: MasterTarget, peer: Upload, local: hg.Repository) -> tuple[str, ...]:
    """Pull the heads of a master's ``db``; () if the local history descends from the newest."""
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
    """The newest readable ancestor of ``heads``; None if that is the local snapshot.

    Whoever has a key can add a head that is no snapshot, and must not stop the host's pushes by that. Raises
    DamagedError if no snapshot is intact, neither there nor here.
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
    """The ancestors of ``heads`` from which the last local snapshot does not descend, newest first, up to a limit."""
    local_heads = [head for head in heads if local.has(head)]
    nodes = (node for node in local.revisions() if any(local.is_ancestor(node, head) for head in local_heads))
    return itertools.takewhile(lambda node: not _stands_on(session, local, node), itertools.islice(nodes, _MOST_TRIED))


def _is_here(session: PushSession, local: hg.Repository) -> bool:
    return bool(session.state.tip) and local.has(session.state.tip)


def _stands_on(session: PushSession, local: hg.Repository, node: str) -> bool:
    """Whether the last snapshot made here is ``node`` or descends from it."""
    return _is_here(session, local) and local.has(node) and local.is_ancestor(node, session.state.tip)


def _age(local: hg.Repository, tip: str, tips: list[str]) -> tuple[int, float]:
    """The sort key of the masters' snapshots: how many of them are its ancestors, then its time."""
    return sum(local.is_ancestor(other_tip, tip) for other_tip in tips), local.note(tip).at


def parent(
    repository: hg.Repository, node: str | None, remote_heads: tuple[str, ...], without: Set[str] = frozenset()
) -> str:
    """The parent of a commit: the newest head that descends from the master's head, else from ``node``.

    Never one that descends from one of ``without``, which cannot be read: then ``node`` itself.
    """
    for required in (*remote_heads[:1], node):
        if required is not None and repository.has(required):
            for head in repository.heads():
                if repository.is_ancestor(required, head):
                    return required if any(_is_on(repository, head, excluded) for excluded in without) else head
    return next(iter(repository.heads()), hg.NULL)


def _is_on(repository: hg.Repository, head: str, node: str) -> bool:
    return repository.has(node) and repository.is_ancestor(node, head)


def _read(session: PushSession, local: hg.Repository, node: str) -> Snapshot:
    """Read the snapshot ``node``, and leave it as ``fetched.db`` in the state folder."""
    path = _fetched(session)
    write_private(path, local.reader(node)(PACHA_DB))
    return database.read_foreign(path)


def _fetched(session: PushSession) -> str:
    return str(session.context.state.path / "fetched.db")


def check_name(session: PushSession, last: Snapshot) -> None:
    """Raise ConfigError for a push under another name than before, where nobody looks for it.

    Not with ``take_over``, and not as long as no master has anything of this machine.
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
    has_pushed = session.state.succeeded or session.state.hostname
    return bool(has_pushed) and last.host not in ("", session.host)


def _check_machine(session: PushSession, fetched: Snapshot, note: hg.Note) -> None:
    """Raise PachaError for another machine's snapshot under our name, unless told to take over."""
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
    """Replace pacha.db by the fetched one, with the paths added that are watched only here."""
    os.replace(_fetched(session), session.context.state.database)
    joined = fetched.with_watched(_joined(session, last.watched, fetched.watched))
    database.write(session.context.state.database, joined)
    at = session.repository(DATABASE).note(tip).at
    session.update(tip=tip, made=(tip, at), pending=joined != fetched)
    return joined


def _joined(session: PushSession, local: tuple[Watched, ...], remote: tuple[Watched, ...]) -> tuple[Watched, ...]:
    joined = list(remote)
    for watched in local:
        if any(watched.path == entry.path for entry in remote):
            continue
        live = [entry for entry in joined if not entry.retired]
        if not watched.retired and any(watched.holds(entry.path) or entry.holds(watched.path) for entry in live):
            session.notices.append(
                f"{escape(watched.path)} is no longer watched: it overlaps with what the master has."
            )
            continue
        name = watched.repository
        if name in {entry.repository for entry in joined}:
            name = repository_name(watched.path, [entry.repository for entry in joined])
        joined.append(replace(watched, repository=name, node=None))
    return tuple(joined)
