"""Adopt a host: a rebuilt machine continues with the host's own history."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pacha.errors import Concern
from pacha.fetch import provenance
from pacha.fetch.unpack import is_movable
from pacha.fetch.worker import run_in_worker
from pacha.files.names import DATABASE
from pacha.host import watch
from pacha.machine.small_files import machine_id
from pacha.push import differences
from pacha.sealing import keys
from pacha.store import database, hg
from pacha.store.host_state import MasterState
from pacha.store.repository_dir import install

if TYPE_CHECKING:
    from pacha.fetch.fetched import Fetched
    from pacha.fetch.staging import Staging
    from pacha.host.context import Context


def may_adopt(context: Context, host: str) -> bool:
    """Whether this machine has no history of its own, or already is ``host``.

    A machine of that name which was only told what to watch, for example by ``pacha init``, has no history.
    """
    own = database.read(context.state.database, whole=False)
    called = host in (context.config.hostname, context.state.read().hostname)
    return not own.watched or own.host == host or (called and not own.host)


def remembers(context: Context, host: str) -> bool:
    """Whether the state folder remembers a snapshot that this machine made as ``host``, or adopted.

    Where pacha.db is lost or was moved aside, the name of the machine counts. Raises DamagedError.
    """
    own = database.read(context.state.database, whole=False)
    return bool(context.state.read().tip) and host == (own.host or context.hostname())


def changes_of_watched(context: Context, host: str, fetched: Fetched) -> list[Concern]:
    """A concern for each path that this machine watches otherwise once it has adopted what was ``fetched``.

    For a machine that never pushed, only paths that it would lose: it has decided nothing about the others yet.
    """
    own = database.read(context.state.database, whole=False)
    if own.host not in ("", host) or not own.live:
        return []
    local = watch.effective_rules(context, own.watched)
    adopted = watch.effective_rules(context, fetched.snapshot.watched)
    paths = {watched.path for watched in own.live}
    concerns = differences.of_watched(local, adopted, f"the snapshot {fetched.tip[:12]}", differences.ADOPTED)
    return [concern for concern in concerns if own.host or concern.path in paths]


def adopt(context: Context, host: str, staging: Staging, fetched: Fetched, master: str) -> None:
    """Make the fetched history this machine's own, so that the next push continues it as ``host``.

    Raises PachaError, OSError.
    """
    # What this machine left on its masters, if it is ``host`` already; the next push looks at each of them again.
    known = context.state.read().masters if remembers(context, host) else {}
    masters = {name: replace(left, changelog=None, contents=None) for name, left in known.items()}
    sent = {DATABASE: fetched.tip}
    for watched in fetched.snapshot.watched:
        if watched.node is not None and not watched.retired:
            sent[watched.repository] = watched.node
    for name, node in sent.items():
        _take_over(context, staging, name, node)
    # First, as a kill may follow: this is not of what is recorded then, and no push must go on by another name.
    Path(context.state.cache).unlink(missing_ok=True)
    context.state.update(hostname=host)
    # Never the fetched file: its tables may have constraints that forget what is written to them later.
    database.write(context.state.database, fetched.recorded)
    if fetched.seal_keys:
        keys.adopt(context.state.path, fetched.seal_keys, vouched=fetched.provenance.vouched)
    masters[master] = MasterState(changelog=fetched.changelog, sent=sent)
    state = context.state.read()
    stated = provenance.accepted(state, host, fetched.tip, fetched.provenance)
    failed = (state.failure, state.cure) if state.tip else ("", "")  # a push that had no history tells nothing any more
    context.state.update(
        tip=fetched.tip, pending=False, masters=masters, reread=tuple(sorted(fetched.purged)),
        machine_id=machine_id(), stated=stated, failure=failed[0], cure=failed[1],
    )  # fmt: skip


def _take_over(context: Context, staging: Staging, name: str, node: str) -> None:
    """Move the fetched store into place, or pull ``node`` out of it.

    What was fetched is history alone (``wire.master.is_store_file``), and each revision is checked against its hash
    whenever it is read. Moving is much faster, but needs a store that ends with this node, and no repository here yet.
    """
    own, fetched = context.state.repository(name), staging.path(name)
    read = staging.spool.read.get(name, frozenset())
    if not os.path.isdir(own) and run_in_worker(staging.spool.worker, is_movable, fetched, node, read):
        install(fetched, own)
        return
    with hg.open_peer(fetched, name) as peer:
        repository = hg.Repository.open(own, create=True)
        repository.accepts_purged = lambda name, node: True  # as in a store that is moved
        peer.pull(repository, [node])
