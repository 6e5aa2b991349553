"""What a push builds on: the last snapshot made here, or a newer one that only the master has.

A commit's parent is always the tip that the master has. A tip unknown here is pulled first (a machine
rolled back, a commit lost in a power cut) and the snapshot is made on top of it, as a difference from it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pacha.errors import ConfigError, PachaError
from pacha.files.names import DATABASE, PACHA_DB, repository_name
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.store import database
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import escape, local_minute
from pacha.wire.master import check_may_read

if TYPE_CHECKING:
    from pacha.store import hg


def base(errand: PushSession, last: Snapshot) -> Snapshot:
    """The snapshot to build on; pacha.db and the local history hold it when this returns.

    It is the newest of any master; one that another master led elsewhere stays beside it in the history.
    Raises PachaError when a newest one was made by another machine under our name.
    """
    if not errand.reached and _is_renamed(errand, last):  # nobody has taken the other name yet
        raise next(one.failure for one in errand.deliveries if one.failure)
    found = [(tip, delivery) for delivery in errand.reached if (tip := _pulled(errand, delivery)) is not None]
    if not found:
        return last
    local = errand.repository(DATABASE)
    for tip, _ in found:
        _check_machine(errand, _read(errand, local, tip), local.note(tip))
    tip, delivery = max(found, key=lambda one: _age(local, one[0], [tip for tip, _ in found]))
    fetched = _read(errand, local, tip)
    _pull_content(errand, fetched, delivery)
    for one in errand.reached:
        one.familiar = False  # what is made now need not stand on what any of them has
    errand.notices.append(f"Going on from the snapshot {tip[:12]}, which only {delivery.label} had.")
    return _adopt(errand, last, fetched, tip)


def _pulled(errand: PushSession, delivery: MasterTarget) -> str | None:
    """The newest snapshot of a master, pulled, if what is here does not stand on it."""
    if delivery.probe is None or delivery.probe.changelog is None:
        return None
    if delivery.familiar and errand.history() >= errand.memory.get("history", 0):
        return None  # else our own history was lost in a power cut, say: Mercurial does not wait for the disk
    local, mine = errand.repository(DATABASE), str(errand.memory.get("tip", ""))
    try:
        with delivery.talking(DATABASE) as peer:
            newest = next(iter(peer.heads()), None)
            if newest is None or _stands_on(local, mine, newest):
                return None
            if not local.has(newest):
                check_may_read(errand.host, delivery.probe.may)
                peer.pull(local, [newest])
            return newest
    except PachaError as error:
        errand.fail(delivery, error)
        return None


def _stands_on(local: hg.Repository, mine: str, newest: str) -> bool:
    return bool(mine) and local.has(mine) and local.has(newest) and local.is_ancestor(newest, mine)


def _age(local: hg.Repository, tip: str, others: list[str]) -> tuple[int, float]:
    """What sorts the snapshots of several masters: how many of them it stands on, then when it was made."""
    return sum(local.is_ancestor(other, tip) for other in others), local.note(tip).at


def parent(repository: hg.Repository, node: str | None, theirs: tuple[str, ...]) -> str:
    """What a commit stands on: the newest head that has what the master has, else what ``node`` has."""
    from pacha.store import hg

    for older in (*theirs[:1], node):
        if older is not None and repository.has(older):
            for head in repository.heads():
                if repository.is_ancestor(older, head):
                    return head
    return next(iter(repository.heads()), hg.NULL)


def _read(errand: PushSession, local: hg.Repository, node: str) -> Snapshot:
    """The snapshot ``node``, left as ``fetched.db`` in the state folder."""
    from pacha.fetch import staging_dir  # which few pushes need

    path = _fetched(errand)
    staging_dir.write(path, local.reader(node)(PACHA_DB))
    return database.read_foreign(path)


def _fetched(errand: PushSession) -> str:
    return str(errand.context.state.path / "fetched.db")


def check_name(errand: PushSession, last: Snapshot) -> None:
    """Refuse to push under another name than before, unless told to: it would go where nobody looks for it.

    Raises ConfigError. As long as no master has anything of this machine, it may still choose.
    """
    if errand.take_over or not _is_renamed(errand, last):
        return
    before = escape(last.host)
    raise ConfigError(
        f"This machine pushed as '{before}' until now, not as '{errand.host}'.",
        "its name, or pacha.hostname, is another than before",
        f"Set pacha.hostname = {before}; or, if it is '{errand.host}' from now on: pacha push --take-over",
        code="hostname-changed",
    )


def _is_renamed(errand: PushSession, last: Snapshot) -> bool:
    kept = errand.memory.get("succeeded") or errand.memory.get("hostname")
    return bool(kept) and last.host not in ("", errand.host)


def _check_machine(errand: PushSession, fetched: Snapshot, note: hg.Note) -> None:
    """Refuse to go on from another machine's snapshot under our name, unless told to."""
    machine = fetched.meta.get("machine", "unknown")
    if errand.take_over or machine == errand.context.state.machine():
        return
    when = local_minute(note.at)
    raise PachaError(
        f"Another machine pushes as '{errand.host}'.",
        f"machine {escape(machine.encode())[:40]} ({escape(note.user.encode())}) made its newest snapshot, {when}",
        "Give this one its own pacha.hostname; or, if it takes the other's place: pacha push --take-over; "
        f"or, if it is that machine, and lost its state folder: pacha restore-db {errand.host}",
        code="pushed-by-another-machine",
    )


def _pull_content(errand: PushSession, snapshot: Snapshot, delivery: MasterTarget) -> None:
    for watched in snapshot.watched:
        repository = errand.repository(watched.repository)
        if watched.node is not None and not repository.has(watched.node):
            with delivery.talking(watched.repository) as peer:
                peer.pull(repository, [watched.node])


def _adopt(errand: PushSession, last: Snapshot, fetched: Snapshot, tip: str) -> Snapshot:
    """Make pacha.db the fetched one, row by row as it lay, with what is watched here and not there."""
    os.replace(_fetched(errand), errand.context.state.database)
    joined = fetched.with_watched(_joined(errand, last.watched, fetched.watched))
    database.write(errand.context.state.database, joined)
    made = errand.repository(DATABASE).note(tip).at
    errand.remember(tip=tip, made=[tip, made], pending=True if joined != fetched else None)
    return joined


def _joined(errand: PushSession, mine: tuple[Watched, ...], theirs: tuple[Watched, ...]) -> tuple[Watched, ...]:
    joined = list(theirs)
    for one in mine:
        if any(one.path == other.path for other in theirs):
            continue
        live = [other for other in joined if not other.retired]
        if not one.retired and any(one.holds(other.path) or other.holds(one.path) for other in live):
            errand.notices.append(f"{escape(one.path)} is no longer watched: it overlaps with what the master has.")
            continue
        name = one.repository
        if name in {other.repository for other in joined}:
            name = repository_name(one.path, [other.repository for other in joined])
        joined.append(replace(one, repository=name, node=None))
    return tuple(joined)
