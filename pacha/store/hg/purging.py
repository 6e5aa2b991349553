"""Erase the content of file revisions, and keep everything else: Mercurial's censor (hg help internals.censor).

A ``tombstone`` replaces the content of a purged revision, and no hash changes: histories with and without the content
still pull from each other.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mercurial import filelog
from mercurial import node as nodes

from pacha.library import require
from pacha.store.hg.bounds import LIBRARY
from pacha.store.hg.runtime import Place, frequent_gc, reading, translate_errors

#: Files that Mercurial leaves after a transaction, or when it is killed at the end of one (mercurial/transaction.py) or
#: in a censor.
_COPY = re.compile(rb"\A(undo|journal)\.backup\..*\.[id]\b|tmpcensored\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FileRevision:
    """A revision of a file: its stored name, its node, its bytes, the node of the revision that brought it in.

    ``is_purged``: it has no content any more.
    """

    name: bytes
    node: str
    size: int
    brought_by: str
    is_purged: bool


def every_revision(repo: Any, place: Place, wanted: Callable[[bytes], bool]) -> Iterator[FileRevision]:
    """Every revision of the stored names that are ``wanted``, purged ones too. Raises DamagedError."""
    with reading(place):
        yield from (revision for revision, _ in _revisions(repo, wanted))


def contents(repo: Any, place: Place, wanted: Callable[[bytes], bool]) -> Iterator[tuple[FileRevision, bytes]]:
    """Every such revision that is not purged, with its bytes."""
    with reading(place):
        for revision, log in _revisions(repo, wanted):
            if not revision.is_purged:
                yield revision, bytes(log.read(nodes.bin(revision.node)))


def stored_names(repo: Any) -> set[bytes]:
    """The names of all files that any revision has."""
    entries = (entry for entry in repo.store.data_entries() if entry.is_revlog and entry.is_filelog)
    return {entry.target_id for entry in entries}


def _revisions(repo: Any, wanted: Callable[[bytes], bool]) -> Iterator[tuple[FileRevision, Any]]:
    """Each revision, and the log of its file: by name, the oldest first."""
    for name in sorted(filter(wanted, stored_names(repo))):
        log = repo.file(name)
        for number in log:
            brought_by = repo.changelog.node(log.linkrev(number)).hex()
            node, is_purged = log.node(number).hex(), bool(log.iscensored(number))
            yield FileRevision(name, node, log._revlog.rawsize(number), brought_by, is_purged), log


def present(repo: Any, place: Place, revisions: Iterable[str]) -> set[tuple[bytes, bytes]]:
    """The stored name and node (20 bytes) of each file in any of ``revisions``; missing revisions are skipped.

    Only what differs from the last revision is looked at, and at most two manifests are in memory.
    """
    found, before = set[tuple[bytes, bytes]](), None
    with reading(place):
        log = repo.changelog
        for number in sorted(log.rev(raw) for raw in set(map(nodes.bin, revisions)) if has(log, raw)):
            manifest = repo[number].manifest()
            if before is None:
                found.update((name, node) for name, node, _ in manifest.iterentries())
            else:
                found.update((name, new) for name, ((new, _), _) in manifest.diff(before).items() if new is not None)
            before = manifest
    return found


def has(log: Any, node: bytes) -> bool:
    """Whether the changelog has ``node`` (20 bytes). A forged snapshot may name Mercurial's working copy."""
    return bool(node != nodes.wdirid and log.hasnode(node))


def is_purged(repo: Any, name: bytes, node: bytes) -> bool:
    """Whether the content of the revision ``node`` (20 bytes) of ``name`` is purged here."""
    log = repo.file(name)
    return bool(log.hasnode(node) and log.iscensored(log.rev(node)))


def erase(repo: Any, place: Place, revisions: Mapping[bytes, Collection[str]]) -> int:
    """Erase the content of ``revisions`` (nodes by stored name), all or none; returns how many were not yet purged.

    Removes the copies that Mercurial keeps as well. Raises PachaError, DamagedError.
    """
    with translate_errors(f"The repository {place} cannot be purged.", place), repo.lock():
        tidy(place.path)  # a backup of a killed run would be in the way of the next one
        found = {}
        for name, wanted in revisions.items():
            log = repo.file(name)
            left = {node for node in map(nodes.bin, wanted) if log.hasnode(node) and not log.iscensored(log.rev(node))}
            if left:
                found[name] = left
        if found:
            with frequent_gc(), repo.transaction(b"pacha-purge") as transaction:
                for name, erased in found.items():
                    require(LIBRARY, filelog.filelog, "censorrevision", "tr", "node", "tombstone")
                    repo.file(name, writable=True).censorrevision(transaction, erased, tombstone=b"")
            repo.invalidateall()
        tidy(place.path)
    return sum(map(len, found.values()))


def tidy(path: str) -> None:
    """Remove the copies that Mercurial keeps of an earlier state of the repository at ``path``. Raises OSError.

    The caller holds its lock. Copies of an abandoned transaction stay, to roll it back.
    """
    if os.path.exists(os.path.join(path, ".hg/store/journal")):
        return
    for backups in (b"strip-backup", b"shelved"):
        shutil.rmtree(os.path.join(os.fsencode(path), b".hg", backups), ignore_errors=True)
    for copy in list(copies(path)):
        os.unlink(copy)


def copies(path: str) -> Iterator[bytes]:
    """The copies of file logs beside those of the repository at ``path``."""
    for where, _, files in os.walk(os.path.join(os.fsencode(path), b".hg")):
        yield from (os.path.join(where, file) for file in files if _COPY.search(file))


@contextmanager
def locked(repo: Any, place: Place) -> Iterator[None]:
    """Hold the lock of the repository, so that nobody adds to it. Raises PachaError where another holds it for long."""
    with translate_errors(f"The repository {place} cannot be locked.", place):
        lock = repo.lock()
    try:
        yield
    finally:
        lock.release()
