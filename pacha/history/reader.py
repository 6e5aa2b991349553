"""Read a host's history: from the state folder, from a master's folder here, or over SSH.

This host's own history is read in place. Another host's is fetched into a staging directory first, as for a rebuild,
but only what is needed: ``db``, and the content repositories that are read.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

from pacha.config.keys import STANDALONE
from pacha.errors import DamagedError, PachaError, PurgedError, SealedError, UsageError
from pacha.fetch.retry import again
from pacha.fetch.staging import Staging
from pacha.fetch.unpack import content_names
from pacha.files.metadata import Entry, Kind
from pacha.files.names import DATABASE, PACHA_DB
from pacha.files.paths import is_within
from pacha.host.context import Context, check_host
from pacha.host.masters import connect
from pacha.sealing.age import SealIdentities
from pacha.sealing.opener import Mismatch, Opener, Shut, check_stored
from pacha.store import companions, hg, history, purges
from pacha.store.database import Row
from pacha.store.purges import Purge
from pacha.store.revspec import SnapshotRef, resolve
from pacha.store.snapshot import Snapshot, Watched
from pacha.system.memory_limit import limit_memory
from pacha.text import escape
from pacha.wire.master import Master, NoHost

_OPENS_NOTHING = Opener()
#: Returns a repository by its name; it has the node (40 hex digits, "" for any).
Open: TypeAlias = "Callable[[str, str], hg.Repository]"


@dataclass(slots=True, kw_only=True)
class History:
    """The snapshots of ``host``, newest first. ``own``: the host is this machine, so its disk can be compared.

    ``entries`` has the error in place of an unreadable snapshot, so that the others stay usable.
    """

    host: str
    own: bool
    entries: dict[str, hg.Revision | DamagedError]
    _open: Open
    _folder: Path
    purges: Callable[[], tuple[Purge, ...]] = tuple  #: what was purged from it, as far as is recorded
    _readers: dict[tuple[str, str], Callable[[bytes], bytes]] = field(default_factory=dict)
    _known: dict[Row, Entry] = field(default_factory=dict)

    def find(self, when: str) -> hg.Revision:
        """The snapshot that ``when`` means; the newest for "". Raises UsageError."""
        references = [
            SnapshotRef(node, None if isinstance(revision, DamagedError) else revision.note.at)
            for node, revision in self.entries.items()
        ]
        return self._readable(resolve(when, references, time.time()).node if when else references[0].node)

    def before(self, revision: hg.Revision) -> hg.Revision | None:
        """The snapshot before ``revision``; None for the first. Raises DamagedError."""
        nodes = list(self.entries)
        index = nodes.index(revision.node) + 1
        return self._readable(nodes[index]) if index < len(nodes) else None

    @property
    def revisions(self) -> Iterator[hg.Revision]:
        """The readable snapshots."""
        return (revision for revision in self.entries.values() if not isinstance(revision, DamagedError))

    @property
    def unreadable(self) -> Iterator[tuple[str, DamagedError]]:
        """The unreadable snapshots: their nodes and errors."""
        return ((node, fault) for node, fault in self.entries.items() if isinstance(fault, DamagedError))

    def spoil(self, node: str, error: DamagedError) -> None:
        """Record that the snapshot ``node`` is unreadable."""
        self.entries[node] = error

    def _readable(self, tip: str) -> hg.Revision:
        entry = self.entries[tip]
        if isinstance(entry, DamagedError):
            raise self._unreadable(tip, entry)
        return entry

    def _unreadable(self, tip: str, error: DamagedError) -> DamagedError:
        return DamagedError(
            f"The snapshot {tip[:12]} of '{self.host}' cannot be read.",
            error.in_a_line,
            "Name another: pacha log",
            code="named-snapshot-unreadable",
        )

    def snapshot(self, revision: hg.Revision) -> Snapshot:
        """The whole snapshot, checked. Raises DamagedError."""
        return self._parsed(revision, whole=True)

    def watched(self, revision: hg.Revision) -> tuple[Watched, ...]:
        """What the snapshot watches, which is read much faster than the whole. Raises DamagedError."""
        return self._parsed(revision, whole=False).watched

    def _parsed(self, revision: hg.Revision, *, whole: bool) -> Snapshot:
        try:
            image = self.read(DATABASE, revision.node, PACHA_DB)
            return history.parse(image, self._folder, self._known, whole=whole)
        except DamagedError as error:
            if error.code == "snapshot-too-new":
                raise
            raise self._unreadable(revision.node, error) from None

    def read(self, repository: str, node: str, name: bytes) -> bytes:
        """What ``repository`` holds under a stored name. Raises DamagedError."""
        return self._reader(repository, node)(name)

    def content(self, snapshot: Snapshot, entry: Entry, opener: Opener = _OPENS_NOTHING) -> Iterator[bytes]:
        """The bytes of a file of ``snapshot``, in chunks; ``opener`` opens it if it is sealed.

        Raises DamagedError at their end, if they do not add up, and SealedError.
        """
        watched = watched_of(snapshot, entry)
        if entry.sealed is not None:
            yield from self._unsealed(watched, entry, opener)
            return
        read = self._reader(watched.repository, watched.node or hg.NULL)
        sha = hashlib.sha256()
        for name in content_names(entry):
            try:
                data = read(name)
            except PurgedError as error:
                raise self._purged(entry, error) from None
            sha.update(data)
            yield data
        if sha.digest() != entry.sha256:
            raise DamagedError(
                f"{escape(entry.path)} is not as it was pushed.",
                f"its sha256 in the repository '{watched.repository}' is another than the snapshot names",
                "Look at the repository with 'hg verify'.",
                code="content-damaged",
            )

    def _unsealed(self, watched: Watched, entry: Entry, opener: Opener) -> Iterator[bytes]:
        read, sealed = self._reader(watched.repository, watched.node or hg.NULL), entry.sealed or b""
        try:
            check_stored(map(read, content_names(entry)), sealed)
            opening = opener.begin(entry.path, sealed)
            for name in content_names(entry):
                yield opening.open(read(name))
            opening.finish(entry.sha256 or b"")
        except PurgedError as error:
            raise self._purged(entry, error) from None
        except Shut as error:
            raise SealedError(
                f"{escape(entry.path)} is sealed.",
                str(error),
                "Give one that opens it: --identity FILE, of pacha cat or pacha rebuild",
                code="content-sealed",
            ) from None
        except Mismatch as error:
            raise DamagedError(
                f"{escape(entry.path)} is not as it was pushed.",
                f"what is sealed in the repository '{watched.repository}': {error}",
                "Look at the repository with 'hg verify'.",
                code="content-damaged",
            ) from None

    def opener(self, revision: hg.Revision, snapshot: Snapshot, identities: SealIdentities) -> Opener:
        """What opens the sealed files of ``snapshot``, that of ``revision``. Raises DamagedError."""
        if not identities:
            return _OPENS_NOTHING
        text = companions.read(companions.SEAL_KEYS, snapshot.meta, partial(self.read, DATABASE, revision.node))
        return Opener.of(text, identities)

    def _purged(self, entry: Entry, error: PurgedError) -> PurgedError:
        """``error`` with the path, and with what is recorded of it."""
        name, why = entry.path, purges.reason(entry.path, self.purges())
        return PurgedError(f"{escape(name)} has no content any more.", why, error.hint, code="content-purged")

    def repository(self, name: str, node: str) -> hg.Repository:
        """The repository ``name``, which has ``node``. Raises DamagedError."""
        return self._open(name, node)

    def _reader(self, repository: str, node: str) -> Callable[[bytes], bytes]:
        reader = self._readers.get((repository, node))
        if reader is None:
            reader = self._readers[repository, node] = self.repository(repository, node).reader(node)
        return reader


@contextmanager
def open_history(context: Context, host: str = "") -> Iterator[History]:
    """Open the history of ``host``, by default of this one. Raises UnreachableError, PachaError where it is missing."""
    own = not host or host == check_host(context.hostname())
    if own and os.path.isdir(context.state.repository(DATABASE)):
        local = cache(lambda name: hg.Repository.open(context.state.repository(name), heal=False))
        past = history_of(host or context.hostname(), True, lambda name, node: local(name), context.state.scratch)
        past.purges = lambda: purges.read(context.state.purged)
        yield past
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
    master = _master(context, host)
    with context.state.locked(10, only_looks=True), staged(context, host, master) as staging, limit_memory():
        past = history_of(host, False, _fetch_on_demand(staging), staging.folder)
        past.purges = cache(staging.purges)
        yield past


@contextmanager
def staged(context: Context, host: str, master: Master) -> Iterator[Staging]:
    """Yield a staging directory for ``host``; afterwards remove it and disconnect. The caller holds the lock.

    Raises PachaError where the master does not have the host.
    """
    try:
        staging = Staging.make(context, host, master, lambda received: None)
        try:
            yield staging
        finally:
            staging.remove()
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
    """A newest snapshot that cannot be read, try after try, hides none of the others."""
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


def _master(context: Context, host: str) -> Master:
    """This machine, if it is a master with ``host``; else the configured master."""
    if os.path.isdir(os.path.join(context.config.hosts_path, os.fsencode(host))):
        return connect(context, STANDALONE)
    return connect(context, context.master())


def history_of(host: str, own: bool, open_: Open, folder: Path) -> History:
    """The history in the ``db`` that ``open_`` returns; ``folder`` is for temporary files. Raises PachaError."""
    repository = open_(DATABASE, "")
    entries = {node: _entry(repository, node) for node in repository.revisions()}
    if not entries:
        raise PachaError(
            f"There is no snapshot of '{host}' yet.", hint="Make one, on that host: pacha push", code="never-pushed"
        )
    faults = [entry for entry in entries.values() if isinstance(entry, DamagedError)]
    if len(faults) == len(entries):
        raise faults[0]
    return History(host=host, own=own, entries=entries, _open=open_, _folder=folder)


def _entry(repository: hg.Repository, node: str) -> hg.Revision | DamagedError:
    try:
        return repository.revision(node)
    except DamagedError as error:
        return error


def file_of(snapshot: Snapshot, candidates: Sequence[bytes]) -> Entry:
    """The entry of the first of ``candidates`` that the snapshot has. Raises UsageError unless it is a file."""
    for path in candidates:
        entry = snapshot.entries.get(path)
        if entry is not None and entry.kind is Kind.FILE:
            return entry
        if entry is not None and entry.kind is Kind.SYMLINK:
            target = escape(entry.target or b"")
            raise UsageError(
                f"{escape(path)} is a symbolic link.",
                f"it points to {target}",
                "Name that path.",
                code="content-of-symlink",
            )
        if entry is not None:
            kind = "directory" if entry.kind is Kind.DIRECTORY else "special file"
            raise UsageError(
                f"{escape(path)} is a {kind}.",
                "only a regular file has content",
                "Name a file.",
                code="not-a-regular-file",
            )
    hint = f"'pacha log {escape(candidates[0])}' lists the snapshots that touched it."
    raise UsageError(f"{escape(candidates[0])} is not in that snapshot.", hint=hint, code="path-not-in-snapshot")


def candidate_in(snapshot: Snapshot, candidates: Sequence[bytes]) -> bytes:
    """The first of ``candidates`` that the snapshot has, or has something below. Raises UsageError."""
    for path in candidates:
        if path in snapshot.entries or any(is_within(watched.path, path) for watched in snapshot.live):
            return path
    hint = f"'pacha log {escape(candidates[0])}' lists the snapshots that touched it."
    raise UsageError(f"{escape(candidates[0])} is not in that snapshot.", hint=hint, code="path-not-in-snapshot")


def watched_of(snapshot: Snapshot, entry: Entry) -> Watched:
    """The watched path whose repository has the content of ``entry``. Raises UsageError."""
    for watched in snapshot.live:
        if watched.holds(entry.path) and watched.node is not None:
            return watched
    raise UsageError(
        f"{escape(entry.path)} has no content in that snapshot.",
        "",
        "Name another snapshot with --at.",
        code="no-content",
    )
