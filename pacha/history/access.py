"""Open a host's history: from the state folder, from a master's folder here, or over SSH.

This host's own history is read in place. Another host's is fetched into a staging directory first, as for a rebuild,
but only what is needed: ``db``, and the content repositories that are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from pacha.config.keys import STANDALONE
from pacha.errors import DamagedError, PachaError
from pacha.fetch.fetch import temporary
from pacha.fetch.retry import again
from pacha.fetch.staging import Staging
from pacha.files.names import DATABASE, PACHA_DB
from pacha.history.reader import History, Open
from pacha.host.context import Context, check_host
from pacha.host.masters import connect
from pacha.store import hg, purges
from pacha.system.memory_limit import limit_memory
from pacha.wire.master import Master, NoHost


@contextmanager
def open_history(context: Context, host: str = "") -> Iterator[History]:
    """Open the history of ``host``, by default of this one. Raises UnreachableError, PachaError where it is missing."""
    own = not host or host == check_host(context.hostname())
    if own and os.path.isdir(context.state.repository(DATABASE)):
        local = cache(lambda name: hg.Repository.open(context.state.repository(name), heal=False))
        history = history_of(host or context.hostname(), True, lambda name, node: local(name), context.state.scratch)
        history.purges = lambda: purges.read(context.state.purged)
        yield history
    elif not host:
        raise PachaError(
            "There is no history here.",
            hint="Make a snapshot: pacha push. Or name a host that the master has.",
            code="no-history",
        )
    else:
        with _remote_history(context, check_host(host)) as remote:
            yield remote


@contextmanager
def _remote_history(context: Context, host: str) -> Iterator[History]:
    """Fetch it under the lock: without it, another run would remove the staging directory."""
    is_here = os.path.isdir(os.path.join(context.config.hosts_path, os.fsencode(host)))
    master = connect(context, STANDALONE if is_here else context.master())
    with context.state.locked(10, only_looks=True), staged(context, host, master) as staging, limit_memory():
        history = history_of(host, False, _fetch_on_demand(staging), staging.folder)
        history.purges = cache(staging.purges)
        yield history


@contextmanager
def staged(context: Context, host: str, master: Master) -> Iterator[Staging]:
    """Yield a staging directory for ``host``; afterwards remove it and disconnect. The caller holds the lock.

    Raises PachaError where the master does not have the host.
    """
    try:
        with temporary(lambda: Staging.make(context, host, master, lambda received: None)) as staging:
            yield staging
    except NoHost as error:
        raise PachaError(
            f"{master.label} has no history of '{host}'.",
            f"{error.message} {error.why}",
            "Look at the name: pacha hosts, on the master.",
            code="host-history-missing",
        ) from None
    finally:
        master.close()


def _fetch_on_demand(staging: Staging) -> Open:
    """Return a function that fetches a repository at first use, and again where a node is missing."""
    repositories: dict[str, hg.Repository] = {}

    def bring(name: str, node: str) -> hg.Repository:
        repository = repositories.pop(name, None)
        if repository is None or (node and not repository.has(node)):
            repository = _brought(staging, name, node)
        repositories[name] = repository
        return repository

    return bring


def _brought(staging: Staging, name: str, node: str) -> hg.Repository:
    """Fetch a repository. If the newest snapshot of ``db`` stays unreadable, the others can still be read."""
    try:
        return again(lambda: _fetched(staging, name, node))
    except DamagedError as error:
        if name != DATABASE or error.code != "repository-damaged":
            raise
        return staging.repository(name)


def _fetched(staging: Staging, name: str, node: str) -> hg.Repository:
    staging.fetch_store(name)
    repository = staging.repository(name)
    newest = next(repository.revisions(), None)
    if newest is not None and name == DATABASE:
        repository.reader(newest)(PACHA_DB)  # missing in a copy made during a push
    if node and not repository.has(node):
        raise DamagedError(
            f"The repository '{name}' on the master has no revision {node[:12]}.",
            "",
            "Look at it on the master with 'hg verify'.",
            subject=f"{name} {node}",
            code="revision-missing",
        )
    return repository


def history_of(host: str, own: bool, open_: Open, folder: Path) -> History:
    """The history in the ``db`` that ``open_`` returns; ``folder`` is for temporary files. Raises PachaError."""
    repository = open_(DATABASE, "")
    entries: dict[str, hg.Revision | DamagedError] = {}
    for node in repository.revisions():
        try:
            entries[node] = repository.revision(node)
        except DamagedError as error:
            entries[node] = error
    if not entries:
        raise PachaError(
            f"There is no snapshot of '{host}' yet.", hint="Make one, on that host: pacha push", code="never-pushed"
        )
    faults = [entry for entry in entries.values() if isinstance(entry, DamagedError)]
    if len(faults) == len(entries):
        raise faults[0]
    return History(host=host, own=own, entries=entries, _open=open_, _folder=folder)
