"""Choose the parent of a push: the last snapshot made here, or a newer one that only a master has.

A commit's parent is always the master's tip. A tip that is unknown here (a machine was set back, a commit was lost in a
power cut, somebody else has this host's key) is pulled first, and the snapshot is made on top of it. It decides
nothing: only this machine's own pacha.db says what is watched, how, and what was recorded. Differences are concerns.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace

from pacha.errors import Concern, ConfigError, DamagedError, PachaError, UnreachableError
from pacha.files.entry import Entry
from pacha.files.names import DATABASE, PACHA_DB
from pacha.host import watch
from pacha.push import differences
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.push.upload import Upload
from pacha.store import hg, untrusted_db
from pacha.store.snapshot import Snapshot, Watched
from pacha.system.atomic import write_private
from pacha.system.memory_limit import limit_memory
from pacha.text import escape, local_minute
from pacha.wire.master import check_may_read

_MOST_TRIED = 20  #: snapshots of a master that are searched for an intact one
_NOT_LOOKED_AT = (
    "on {label}, none of the newest {count} revisions is a snapshot, and what is below them was not looked at: find "
    "out who added them"
)
_NOT_OURS = (
    "on {label}, the newest snapshot is {tip} of {when}, by {user}, which this machine does not remember making: it "
    "was set back to an older state or cloned, or somebody else may write there; this push goes on from it, with what "
    "this machine watches"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a push builds on.

    ``last``: what this machine recorded, which alone decides. ``parent``: the node of the new snapshot's parent, "" for
    none; ``entries``: the parent's entries, for the change list.
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
    """What to build on, which the local history has when this returns.

    It is the newest snapshot of all masters; a diverging one of another master stays in the history as another head.
    Raises PachaError if another machine made a newest one under our name.
    """
    if not session.reached and _is_renamed(session, last):  # the new name is not taken yet
        raise next(target.failure for target in session.targets if target.failure)
    offers = [offer for target in session.reached if (offer := _pulled(session, target)) is not None]
    if not offers:
        return Base(last=last, parent=session.state.tip, entries=last.entries)
    local = session.repository(DATABASE)
    for offer in offers:
        _check_machine(session, offer)
    for offer in offers:
        session.tell(_concerns(session, offer, last))
    tips = [offer.tip for offer in offers]
    # By how many of them are its ancestors, then by its time.
    newest = max(offers, key=lambda offer: (sum(local.is_ancestor(tip, offer.tip) for tip in tips), offer.note.at))
    for reached in session.reached:
        reached.db_as_left = False  # the new snapshot may not descend from theirs
    session.notices.append(f"Going on from the snapshot {newest.tip[:12]}, which only {newest.target.label} had.")
    return _standing_on(session, newest, last)


def _pulled(session: PushSession, target: MasterTarget) -> _Offer | None:
    """Pull the newest intact snapshot of a master; None if the local history descends from it."""
    if target.connection[1].changelog is None:
        return None
    if target.db_as_left and session.history() >= session.state.history:
        return None  # else history was lost, for example in a power cut: Mercurial does not sync
    local = session.repository(DATABASE)
    try:
        heads = target.talk(DATABASE, lambda peer: _heads(session, target, peer, local))
        return _newest_intact(session, local, target, heads) if heads else None
    except PachaError as error:
        session.fail(target, error)
        return None


def _heads(session: PushSession, target: MasterTarget, peer: Upload, local: hg.Repository) -> tuple[str, ...]:
    """Pull the heads of a master's ``db``; () if the local history descends from the newest."""
    heads = peer.heads()
    if not heads or _stands_on(session, local, heads[0]):
        return ()
    if not all(map(local.has, heads)):
        _check_may_read(session, target, heads[0])
    target.pull(peer, local, DATABASE, heads)
    return heads


def _newest_intact(
    session: PushSession, local: hg.Repository, target: MasterTarget, heads: tuple[str, ...]
) -> _Offer | None:
    """The newest readable ancestor of ``heads``; None if that is the local snapshot.

    Whoever has a key can add a head that is no snapshot, and must not stop the host's pushes by that. Raises
    DamagedError if no snapshot is intact, neither there nor here.
    """
    nodes = list(_beyond(session, local, heads))
    for node in nodes:
        try:
            snapshot = _read(session, local, node)
        except DamagedError as error:
            target.unreadable[DATABASE, node] = error
        else:
            return _Offer(target=target, tip=node, snapshot=snapshot, note=local.note(node))
    if target.unreadable and not _is_here(session, local):
        raise list(target.unreadable.values())[-1]
    if len(nodes) == _MOST_TRIED:
        session.tell([Concern(session.path_of(DATABASE), _NOT_LOOKED_AT.format(label=target.label, count=_MOST_TRIED))])
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


def _check_may_read(session: PushSession, target: MasterTarget, newest: str) -> None:
    """Raise UnreachableError, which names the snapshot, if our key may not fetch it."""
    try:
        check_may_read(session.host, target.connection[1].may)
    except UnreachableError as error:
        raise UnreachableError(
            f"{target.label} has a newer snapshot {newest[:12]}, which this machine does not remember making.",
            error.in_a_line,
            f"Look at it on the master first: pacha log {session.host}. {error.hint}",
            code="unknown-snapshot",
        ) from None


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
                    stands_on_it = any(repository.has(each) and repository.is_ancestor(each, head) for each in without)
                    return required if stands_on_it else head
    return next(iter(repository.heads()), hg.NULL)


def _read(session: PushSession, local: hg.Repository, node: str) -> Snapshot:
    """Read the snapshot ``node``."""
    path = str(session.context.state.path / "fetched.db")
    try:
        with limit_memory():
            write_private(path, local.reader(node)(PACHA_DB))
            return untrusted_db.read(path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(path)


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
        f"Set pacha.hostname = {before}; or, if it is '{session.host}' from now on, run on the master: "
        f"pacha rename {before} {session.host}; then here: pacha push --take-over",
        code="hostname-changed",
    )


def _is_renamed(session: PushSession, last: Snapshot) -> bool:
    has_pushed = session.state.succeeded or session.state.hostname
    return bool(has_pushed) and last.host not in ("", session.host)


def _check_machine(session: PushSession, offer: _Offer) -> None:
    """Raise PachaError for another machine's snapshot under our name, unless told to take over."""
    if session.take_over or session.state.remembers(offer.tip) or not _is_of_another(session, offer):
        return
    machine = escape(offer.snapshot.meta.get("machine", "unknown").encode())[:40]
    user, when = escape(offer.note.user.encode()), local_minute(offer.note.at)
    raise PachaError(
        f"Another machine pushes as '{session.host}'.",
        f"machine {machine} ({user}) made its newest snapshot, {when}",
        f"If it is that machine, and lost its state folder: pacha restore-db {session.host}; "
        "if it is another, give it its own pacha.hostname; if it takes the other's place: pacha push --take-over",
        code="pushed-by-another-machine",
    )


def _is_of_another(session: PushSession, offer: _Offer) -> bool:
    """Whether the snapshot names another machine. A machine id is a claim: the same id proves nothing."""
    return offer.snapshot.meta.get("machine") != session.context.state.machine()


def _concerns(session: PushSession, offer: _Offer, last: Snapshot) -> list[Concern]:
    """The concerns about a snapshot that somebody else may have made, and about its watched paths."""
    if session.state.remembers(offer.tip):
        return []
    watched = watch.effective_rules(session.context, last.watched)
    where = f"the snapshot {offer.tip[:12]} on {offer.target.label}"
    concerns = differences.of_watched(watched, offer.snapshot.watched, where)
    if session.take_over and _is_of_another(session, offer):
        return concerns  # the user expects it
    user = escape(offer.note.user.encode())[:100]
    words = {"label": offer.target.label, "tip": offer.tip[:12], "when": local_minute(offer.note.at), "user": user}
    return [Concern(session.path_of(DATABASE), _NOT_OURS.format(**words)), *concerns]


def _standing_on(session: PushSession, offer: _Offer, last: Snapshot) -> Base:
    """A base of what this machine recorded, with the master's snapshot as the parent."""
    local = replace(last, watched=differences.with_names(last.watched, offer.snapshot.watched))
    complete = replace(local, watched=tuple(_with_content(session, entry, offer.target) for entry in local.watched))
    session.watched = watch.effective_rules(session.context, complete.watched)
    if offer.tip != session.state.tip or complete != last:
        session.update(pending=True)
    return Base(last=complete, parent=offer.tip, entries=offer.snapshot.entries)


def _with_content(session: PushSession, watched: Watched, target: MasterTarget) -> Watched:
    """``watched`` with its revision, fetched if it was lost here; without it if nobody has it: then all is read."""
    if watched.node is None or watched.retired:
        return watched
    repository = session.repository(watched.repository)
    if not repository.has(watched.node):
        try:
            with target.conversations.peer(watched.repository) as peer:
                peer.pull(repository, [watched.node], target.largest_revision)
        except PachaError:
            return replace(watched, node=None)
    return watched
