"""What a push builds on: the last snapshot made here, or a newer one that only the master has.

A commit's parent is always the tip that the master has. A tip unknown here is pulled first (a machine
rolled back, a commit lost in a power cut) and the snapshot is made on top of it, as a difference from it.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pacha.actions.errand import Errand
from pacha.errors import PachaError
from pacha.files.names import DATABASE, repository_name, shown
from pacha.store import database
from pacha.store.snapshot import Snapshot, Watched

if TYPE_CHECKING:
    from pacha.store import hg

FILE = b"pacha.db"


def base(errand: Errand, last: Snapshot) -> Snapshot:
    """The snapshot to build on; pacha.db and the local history hold it when this returns.

    Raises PachaError when the newest one was made by another machine under our name.
    """
    if errand.master is None or errand.probe is None or errand.probe.changelog is None or errand.sent:
        return last
    from pacha.store import hg

    local = errand.repository(DATABASE)
    with errand.master.serve(errand.host, DATABASE) as remote, hg.peer(remote, DATABASE) as peer:
        theirs = peer.heads()
        unknown = [node for node in theirs if not local.has(node)]
        peer.pull(local, unknown)
    if not unknown:
        return last
    tip = unknown[0]
    fetched = _read(errand, local, tip)
    _check_machine(errand, fetched, local.note(tip))
    _pull_content(errand, fetched)
    return _adopt(errand, last, fetched, tip)


def parent(repository: hg.Repository, node: str | None, theirs: tuple[str, ...]) -> str:
    """What a commit stands on: the newest head that has what the master has, else what ``node`` has."""
    from pacha.store import hg

    for older in (*theirs[:1], node):
        if older is not None and repository.has(older):
            for head in repository.heads():
                if repository.is_ancestor(older, head):
                    return head
    return next(iter(repository.heads()), hg.NULL)


def _read(errand: Errand, local: hg.Repository, node: str) -> Snapshot:
    """The snapshot ``node``, left as ``fetched.db`` in the state folder."""
    path = _fetched(errand)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as stream:
        stream.write(local.reader(node)(FILE))
    return database.read_foreign(path)


def _fetched(errand: Errand) -> str:
    return str(errand.here.state.path / "fetched.db")


def _check_machine(errand: Errand, fetched: Snapshot, note: hg.Note) -> None:
    """Refuse to go on from another machine's snapshot under our name, unless told to."""
    machine = fetched.meta.get("machine", "unknown")
    if errand.take_over or machine == errand.here.state.machine():
        return
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(note.at))
    raise PachaError(
        f"Another machine pushes as '{errand.host}'.",
        f"machine {shown(machine.encode())[:40]} ({shown(note.user.encode())}) made its newest snapshot, {when}",
        "Give this one its own pacha.hostname; or, if it takes the other's place: pacha push --take-over",
    )


def _pull_content(errand: Errand, snapshot: Snapshot) -> None:
    for watched in snapshot.watched:
        repository = errand.repository(watched.repository)
        if watched.node is not None and not repository.has(watched.node):
            with errand.talking(watched.repository) as peer:
                peer.pull(repository, [watched.node])


def _adopt(errand: Errand, last: Snapshot, fetched: Snapshot, tip: str) -> Snapshot:
    """Make pacha.db the fetched one, row by row as it lay, with what is watched here and not there."""
    os.replace(_fetched(errand), errand.here.state.database)
    joined = fetched.with_watched(_joined(errand, last.watched, fetched.watched))
    database.write(errand.here.state.database, joined)
    errand.remember(tip=tip, pending=True if joined != fetched else None)
    errand.notices.append(f"Going on from the snapshot {tip[:12]}, which only the master had.")
    return joined


def _joined(errand: Errand, mine: tuple[Watched, ...], theirs: tuple[Watched, ...]) -> tuple[Watched, ...]:
    joined = list(theirs)
    for one in mine:
        if any(one.path == other.path for other in theirs):
            continue
        live = [other for other in joined if not other.retired]
        if not one.retired and any(one.holds(other.path) or other.holds(one.path) for other in live):
            errand.notices.append(f"{shown(one.path)} is no longer watched: it overlaps with what the master has.")
            continue
        name = one.repository
        if name in {other.repository for other in joined}:
            name = repository_name(one.path, [other.repository for other in joined])
        joined.append(replace(one, repository=name, node=None))
    return tuple(joined)
