"""Getting a lost state folder back: the host's history and what it watches, without touching a watched file."""

from __future__ import annotations

from dataclasses import dataclass

from pacha.actions import adoption
from pacha.actions.here import Here, check_host, connect
from pacha.actions.past import staged
from pacha.actions.staging import Fetched, Staging
from pacha.errors import ConfigError, PachaError
from pacha.files.names import DATABASE
from pacha.store import database, hg
from pacha.store.snapshot import Watched


@dataclass(frozen=True, slots=True)
class Restored:
    """What this machine goes on from: the newest snapshot (hex node, seconds since the epoch), what is watched."""

    host: str
    tip: str
    at: float
    watched: tuple[Watched, ...]


def restore_db(here: Here, host: str) -> Restored:
    """Make the history of ``host`` that the master has this machine's own, checked, so that pushes go on.

    Raises ConfigError, PachaError where there is something here already, UnreachableError, DamagedError: all
    before anything here is changed.
    """
    check_host(host)
    if here.config.hostname and here.config.hostname != host:
        raise ConfigError(
            f"pacha.hostname is '{here.config.hostname}', not '{host}'.",
            "pushes would go on under that name",
            "Correct it, or leave it out, and run this again.",
        )
    with here.state.locked():
        _check_free(here, host)
        with staged(here, host, connect(here, here.master())) as staging:
            return _restore(here, host, staging)


def _restore(here: Here, host: str, staging: Staging) -> Restored:
    fetched = staging.fetch()
    _check_related(here, fetched, staging)
    # The name first: should this be killed, nothing is pushed to another host's folder.
    here.state.remember(hostname=host)
    adoption.adopt(here, host, staging, fetched, here.master())
    return Restored(host, fetched.tip, fetched.note.at, fetched.snapshot.live)


def _check_free(here: Here, host: str) -> None:
    own = database.read(here.state.database)
    cut_off = own.host == host and not here.state.memory().get("tip")
    if own.watched and not cut_off:
        what = f"the history of '{own.host}'" if own.host else "a list of watched paths"
        raise PachaError(
            f"There is {what} here already.",
            "it would be lost, and with it what was not pushed yet",
            f"If the master's is to take its place, move it aside: mv {here.state.database}{{,.old}}",
        )


def _check_related(here: Here, fetched: Fetched, staging: Staging) -> None:
    """What is left of repositories here must be of the same history: two in one would never part again."""
    own = hg.Repository.open(here.state.repository(DATABASE), create=True)
    first = [*own.revisions()][-1:]
    if first and not staging.repository(DATABASE).has(first[0]):
        raise PachaError(
            f"{here.state.path / 'repos'} holds another history.",
            "it has nothing in common with the one on the master",
            f"Move it aside: mv {here.state.path / 'repos'}{{,.old}}",
        )
