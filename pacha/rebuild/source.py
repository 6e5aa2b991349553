"""Choose where a rebuild fetches from: a master that has what all others have, or this host's own history."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from pacha.errors import DamagedError, PachaError, UsageError
from pacha.files.names import DATABASE
from pacha.host.context import Context
from pacha.host.masters import connect
from pacha.rebuild.options import OtherMaster, RebuildOptions
from pacha.store import hg, history
from pacha.store.revspec import resolve
from pacha.store.snapshot import Snapshot
from pacha.system import background
from pacha.wire.local_master import StateFolderMaster
from pacha.wire.master import Master, NoRepository


@dataclass(frozen=True, slots=True)
class MasterOffer:
    """What a master has of the host: its newest snapshot (hex node), and which of the others' newest ones."""

    name: str
    tip: str
    knows: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The answers of all masters: the ``offers`` of those that have something of the host, and what each one has."""

    offers: list[MasterOffer]
    answers: tuple[OtherMaster, ...]


def choose_master(
    context: Context,
    host: str,
    name: str,
    ask: Callable[[list[MasterOffer]], str] | None,
    warn: Callable[[str], None],
    wait_seconds: float = 0,
) -> tuple[Context, tuple[OtherMaster, ...]]:
    """``context`` with one master: ``name`` if given, the only one, or the one that has what all others have.

    Also returns the other masters; none if ``name`` is given, for then nobody asks them. If none has everything,
    ``ask`` gets the offers and returns a name; None: nobody can be asked. ``warn`` is called for each master that could
    not be asked. Raises UsageError, LockedError, PachaError, and UnreachableError if no master can be reached.
    """
    masters = context.config.masters()
    others: tuple[OtherMaster, ...] = ()
    if name and name not in masters:
        raise UsageError(
            f"'{name}' is not one of the masters.",
            f"pacha.host names {', '.join(masters)}",
            "Name one of those.",
            code="unknown-master",
        )
    if not name and len(masters) > 1:
        with context.state.locked(wait_seconds, only_looks=True):  # connecting writes to the state
            asked = _ask_all(context, host, masters, warn)
        name = _best(asked.offers, host, ask)
        others = tuple(other for other in asked.answers if other.name != name)
    return replace(context, config=replace(context.config, hosts=(name or masters[0],))), others


def _best(offers: list[MasterOffer], host: str, ask: Callable[[list[MasterOffer]], str] | None) -> str:
    if not offers:
        raise PachaError(
            f"There is no host '{host}' on any of the masters.",
            hint="Look at its name: pacha hosts",
            code="host-on-no-master",
        )
    tips = {offer.tip for offer in offers}
    for offer in offers:
        if tips <= offer.knows:
            return offer.name
    if ask is not None:
        return ask(offers)
    tips_in_words = ", ".join(f"{offer.name} has {offer.tip[:12]}" for offer in offers)
    hint = f"Say which: pacha rebuild {host} --from {offers[0].name}"
    raise UsageError("No master has all that the others have.", tips_in_words, hint, code="masters-differ")


def _ask_all(context: Context, host: str, masters: tuple[str, ...], warn: Callable[[str], None]) -> _Asked:
    """Connect to all masters at once, then ask each. If all fail, raises the first error."""
    with ExitStack() as stack:
        reached, tips, failures = {}, {}, {}
        for name, future in [(name, background.start(connect, context, name)) for name in masters]:
            try:
                reached[name] = future.result()
                stack.callback(reached[name].close)
                tips[name] = _tip(reached[name], host)
            except PachaError as error:
                failures[name] = error
                warn(f"{name} is not asked: {error.in_a_line}")
        if not tips:
            raise next(iter(failures.values()))
        having = {name: tip for name, tip in tips.items() if tip}
        offers = [
            MasterOffer(name, tip, _knows(reached[name], host, set(having.values()))) for name, tip in having.items()
        ]
        seen = [OtherMaster(name=name, tip=tip) for name, tip in tips.items()]
        silent = [OtherMaster(name=name, failure=error.in_a_line) for name, error in failures.items()]
        return _Asked(offers, (*seen, *silent))


def _tip(master: Master, host: str) -> str:
    """The newest snapshot that a master has, "" for none."""
    try:
        if master.probe(host).changelog is None:
            return ""
        with master.serve(host, DATABASE) as remote, hg.open_peer(remote, DATABASE) as peer:
            return next(iter(peer.heads()), "")
    except NoRepository:
        return ""


def _knows(master: Master, host: str, tips: set[str]) -> frozenset[str]:
    nodes = sorted(tips)
    with master.serve(host, DATABASE) as remote, hg.open_peer(remote, DATABASE) as peer:
        return frozenset(tip for tip, is_known in zip(nodes, peer.known(nodes), strict=True) if is_known)


def local_history_source(context: Context, host: str, options: RebuildOptions) -> StateFolderMaster | None:
    """The state folder as a master, if ``host`` is this one and its own history has what ``options`` select.

    Only for a part or an older snapshot: a full rebuild needs the newest snapshot, for which only the master is sure.
    Hooks are the master's, too.
    """
    if options.by_master or options.hooks or not (options.at or options.asked) or host != context.hostname():
        return None
    try:
        snapshots = history.own_snapshots(context.state)
        if snapshots:
            tip = context.state.read().tip
            if not options.at and snapshots[0].node != tip:
                return None  # a push pulled it and did not go on from it: it is not this machine's own
            node = resolve(options.at, snapshots, time.time()).node if options.at else tip
            if _is_intact(context, host, history.read(context.state, node)):
                return StateFolderMaster(os.fsencode(context.state.path / "repos"))
    except (UsageError, DamagedError):
        pass  # the master may have it
    return None


def _is_intact(context: Context, host: str, snapshot: Snapshot) -> bool:
    for watched in snapshot.live:
        path = context.state.repository(watched.repository)
        if watched.node is not None and not (
            os.path.isdir(path) and hg.Repository.open(path, heal=False).has(watched.node)
        ):
            return False
    return snapshot.host == host
