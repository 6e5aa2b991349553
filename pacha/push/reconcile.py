"""Choose what a push stands on: the last snapshot made here, or a newer one that only a master has.

A commit's parent is always the tip that the master has. A tip unknown here (a machine rolled back, a commit lost in
a power cut, somebody else with this host's key) is pulled first, and the snapshot is made on top of it. Nothing in it
decides anything here: what is watched, and how, and what was recorded of it, is what this machine's own pacha.db says.
How the two differ is told.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace

from pacha.errors import Concern, ConfigError, DamagedError, PachaError, UnreachableError
from pacha.files.metadata import Entry
from pacha.files.names import DATABASE, PACHA_DB
from pacha.host import watch
from pacha.push import differences
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.push.upload import Upload
from pacha.store import database, hg
from pacha.store.snapshot import Snapshot, Watched
from pacha.system.atomic import write_private
from pacha.system.memory_limit import limit_memory
from pacha.text import escape, local_minute
from pacha.wire.master import check_may_read

_MOST_TRIED = 20  #: snapshots of a master that are looked at for one that is whole
_NOT_OURS = (
    "on {label}, the newest snapshot is {tip} of {when}, by {user}, which this machine does not remember making: it "
    "was set back to an older state, or somebody else may write there; this push goes on from it, with what this "
    "machine watches"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a push builds on.

    ``last``: what this machine recorded, which alone decides. ``parent``: the node of the snapshot that the new one
    stands on, "" for none; ``entries``: what that one holds, for the list of changes.
    """

    last: Snapshot
    parent: str
    entries: Mapping[bytes, Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """A snapshot that only a master has."""

    target: MasterTarget
    tip: str
    snapshot: Snapshot
    note: hg.Note


def base(session: PushSession, last: Snapshot) -> Base:
    """What to build on; the local history holds it when this returns.

    It is the newest of any master; one that another master led elsewhere stays beside it in the history.
    Raises PachaError when a newest one was made by another machine under our name.
    """
    if not session.reached and _is_renamed(session, last):  # nobody has taken the other name yet
        raise next(target.failure for target in session.targets if target.failure)
    pulled = [(tip, target) for target in session.reached if (tip := _pulled(session, target)) is not None]
    if not pulled:
        return Base(last=last, parent=session.state.tip, entries=last.entries)
    local = session.repository(DATABASE)
    offers = [
        _Offer(target=target, tip=tip, snapshot=_read(session, local, tip), note=local.note(tip))
        for tip, target in pulled
    ]
    for offer in offers:
        _check_machine(session, offer)
    for offer in offers:
        session.tell(_concerns(session, offer, last))
    tips = [offer.tip for offer in offers]
    newest = max(offers, key=lambda offer: _age(local, offer, tips))
    for reached in session.reached:
        reached.familiar = False  # what is made now need not stand on what any of them has
    session.notices.append(f"Going on from the snapshot {newest.tip[:12]}, which only {newest.target.label} had.")
    return _standing_on(session, newest, last)


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
        _check_may_read(session, target, heads[0])
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


def _check_may_read(session: PushSession, target: MasterTarget, newest: str) -> None:
    """Raise UnreachableError, naming the snapshot, where our key may not fetch it."""
    try:
        check_may_read(session.host, target.probe.may if target.probe else frozenset())
    except UnreachableError as error:
        raise UnreachableError(
            f"{target.label} has a newer snapshot {newest[:12]}, which this machine does not remember making.",
            error.message,
            f"Look at it on the master first: pacha log {session.host}. {error.hint}",
            code="unknown-snapshot",
        ) from None


def _age(local: hg.Repository, offer: _Offer, others: list[str]) -> tuple[int, float]:
    """What sorts the snapshots of several masters: how many of them it stands on, then when it was made."""
    return sum(local.is_ancestor(other, offer.tip) for other in others), offer.note.at


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
    """The snapshot ``node``."""
    path = str(session.context.state.path / "fetched.db")
    try:
        with limit_memory():
            write_private(path, local.reader(node)(PACHA_DB))
            return database.read_foreign(path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


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


def _check_machine(session: PushSession, offer: _Offer) -> None:
    """Refuse to go on from another machine's snapshot under our name, unless told to."""
    if session.take_over or _remembers(session, offer.tip) or not _is_of_another(session, offer):
        return
    machine = escape(offer.snapshot.meta.get("machine", "unknown").encode())[:40]
    user, when = escape(offer.note.user.encode()), local_minute(offer.note.at)
    raise PachaError(
        f"Another machine pushes as '{session.host}'.",
        f"machine {machine} ({user}) made its newest snapshot, {when}",
        "Give this one its own pacha.hostname; or, if it takes the other's place: pacha push --take-over; "
        f"or, if it is that machine, and lost its state folder: pacha restore-db {session.host}",
        code="pushed-by-another-machine",
    )


def _is_of_another(session: PushSession, offer: _Offer) -> bool:
    """Whether it says itself that another machine made it; a machine id is a name, and no proof of this one."""
    return offer.snapshot.meta.get("machine") != session.context.state.machine()


def _remembers(session: PushSession, tip: str) -> bool:
    """Whether the state folder remembers that this machine made the snapshot ``tip``, or was given it by a rebuild."""
    state = session.state
    made = {state.tip, (state.made or ("", 0.0))[0], *(known.sent.get(DATABASE) for known in state.masters.values())}
    return tip in made


def _concerns(session: PushSession, offer: _Offer, last: Snapshot) -> list[Concern]:
    """What to tell of a snapshot that somebody else may have made, and of what it would decide."""
    if _remembers(session, offer.tip):
        return []
    watched = watch.effective_rules(session.context, last.watched)
    where = f"the snapshot {offer.tip[:12]} on {offer.target.label}"
    told = differences.of_watched(watched, offer.snapshot.watched, where)
    if session.take_over and _is_of_another(session, offer):
        return told  # it was said so
    user = escape(offer.note.user.encode())[:100]
    words = {"label": offer.target.label, "tip": offer.tip[:12], "when": local_minute(offer.note.at), "user": user}
    return [Concern(session.path_of(DATABASE), _NOT_OURS.format(**words)), *told]


def _standing_on(session: PushSession, offer: _Offer, last: Snapshot) -> Base:
    """What this machine recorded, to go onto the snapshot of the master."""
    local = replace(last, watched=differences.with_names(last.watched, offer.snapshot.watched))
    kept = replace(local, watched=tuple(_with_content(session, one, offer.target) for one in local.watched))
    session.watched = watch.effective_rules(session.context, kept.watched)
    if offer.tip != session.state.tip or kept != last:
        session.update(pending=True)
    return Base(last=kept, parent=offer.tip, entries=offer.snapshot.entries)


def _with_content(session: PushSession, watched: Watched, target: MasterTarget) -> Watched:
    """``watched`` with its revision, which is fetched if it was lost here; without, if nobody has it: all is read."""
    if watched.node is None or watched.retired:
        return watched
    repository = session.repository(watched.repository)
    if not repository.has(watched.node):
        try:
            with target.peer(watched.repository) as peer:
                peer.pull(repository, [watched.node], target.most)
        except PachaError:
            return replace(watched, node=None)
    return watched
