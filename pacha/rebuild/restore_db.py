"""Restore a lost state folder: the history and the list of watched paths. Watched files stay untouched."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import ConfigError, PachaError
from pacha.fetch.fetch import fetch
from pacha.fetch.staging import Staging
from pacha.files.names import DATABASE
from pacha.history.access import staged
from pacha.host import watch
from pacha.host.context import Context, check_host
from pacha.host.masters import connect
from pacha.rebuild import adoption, freshness, last_word
from pacha.rebuild.last_word import SignedBy
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.source import choose_master
from pacha.store import database, hg
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored: the newest snapshot (hex node, seconds since the epoch) and the watched paths."""

    host: str
    tip: str
    at: float
    watched: tuple[Watched, ...]
    differences: tuple[freshness.Disagreement, ...] = ()
    signed: SignedBy | None = None


def restore_db(context: Context, host: str, warn: Callable[[str], None] = lambda text: None) -> Restored:
    """Fetch and check the history of ``host``, and make it this machine's own, so that pushes continue it.

    Of several masters it is the one that has what the others have, or the first. ``warn`` gets each sign that another
    snapshot is newer. Raises ConfigError, UnreachableError, DamagedError, and PachaError where there is a history here
    already. All of that comes before anything here is changed.
    """
    check_host(host)
    if context.config.hostname and context.config.hostname != host:
        raise ConfigError(
            f"pacha.hostname is '{context.config.hostname}', not '{host}'.",
            "pushes would go on under that name",
            "Correct it, or leave it out, and run this again.",
            code="hostname-differs",
        )
    with context.state.locked():
        _check_free(context, host)
    context, others = choose_master(context, host, "", lambda offers: offers[0].name, warn)
    with context.state.locked():
        _check_free(context, host)
        with staged(context, host, connect(context, context.master())) as staging:
            return _restore(context, host, staging, RebuildOptions(others=others), warn)


def _restore(
    context: Context, host: str, staging: Staging, options: RebuildOptions, warn: Callable[[str], None]
) -> Restored:
    last_push = freshness.ask_meanwhile(staging)
    fetched = fetch(staging)
    differences = freshness.compare(context, staging, fetched, options, last_push)
    signed, doubts = last_word.compare(context, staging, fetched, options, last_push)
    differences += doubts
    for difference in differences:
        warn(freshness.words(difference))
    _check_related(context, staging)
    # The name first: if this is killed, nothing is pushed to another host's folder.
    context.state.update(hostname=host)
    told = database.read(context.state.database, whole=False).live
    adoption.adopt(context, host, staging, fetched, context.master())
    watched = _watch_also(context, fetched.snapshot, told, warn)
    return Restored(
        host=host, tip=fetched.tip, at=fetched.note.at, watched=watched, differences=differences, signed=signed
    )


def _watch_also(
    context: Context, restored: Snapshot, told: tuple[Watched, ...], warn: Callable[[str], None]
) -> tuple[Watched, ...]:
    """Watch what this machine was told to watch since the loss, too; returns all that is watched now."""
    snapshot, overlapping = watch.merge(restored, told)
    for entry, error in overlapping:
        warn(f"{escape(entry.path)} is not watched as such: {error.in_a_line}")
    if snapshot != restored:
        context.state.update(pending=True)
        database.write(context.state.database, snapshot)
    return snapshot.live


def _check_free(context: Context, host: str) -> None:
    """Raise PachaError if there is a history here. A list of watched paths that was never pushed is kept."""
    own = database.read(context.state.database, whole=False)
    without_history = not own.host or (own.host == host and not context.state.read().tip)
    if own.watched and not without_history:
        raise PachaError(
            f"There is the history of '{own.host}' here already.",
            "it would be lost, and with it what was not pushed yet",
            f"If the master's is to take its place, move it aside: {_move_aside(context.state.database)}",
            code="own-history-present",
        )


def _check_related(context: Context, staging: Staging) -> None:
    """Refuse repositories here that hold another history: two in one repository cannot be separated again."""
    own = hg.Repository.open(context.state.repository(DATABASE), create=True)
    first = [*own.revisions()][-1:]
    if first and not staging.repository(DATABASE).has(first[0]):
        raise PachaError(
            f"{context.state.path / 'repos'} holds another history.",
            "it has nothing in common with the one on the master",
            f"Move it aside: {_move_aside(context.state.path / 'repos')}",
            code="foreign-history",
        )


def _move_aside(path: str | Path) -> str:
    """The command, in words that every shell takes."""
    return f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.old')}"
