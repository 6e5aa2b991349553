"""A repository on this machine: read it, and commit content that is read only when needed."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mercurial import hg
from mercurial import node as nodes

from pacha.errors import PachaError
from pacha.store import repository_dir
from pacha.store.hg import purging, tombstone
from pacha.store.hg.commit_context import CommitContext
from pacha.store.hg.reader import Reader, goes_beyond
from pacha.store.hg.runtime import Place, frequent_gc, quiet_ui, reading, translate_errors
from pacha.store.revision import NULL, PLAIN, Content, Note
from pacha.text import printable

if TYPE_CHECKING:
    from pacha.store.hg.first_commit import SecondWriter

tombstone.keep_apart()
_MAKING = threading.Lock()  #: all threads share the umask, and two would restore each other's
_LAST_SECOND = 253_370_764_800  #: the last time that datetime can show in any zone


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of a repository: its node, its note, and the stored names that it changed."""

    node: str
    note: Note
    files: tuple[bytes, ...]


class Repository:
    """A local repository without a working copy. Nodes are 40 hex digits (str), names are bytes."""

    def __init__(self, repo: Any, place: Place) -> None:
        self._repo = repo
        self._place = place
        self.path = place.path
        #: Whether a revision (20 bytes) of a stored name may come in without its content, as a tombstone.
        self.accepts_purged: Callable[[bytes, bytes], bool] = lambda name, node: False

    @classmethod
    def open(cls, path: str, *, create: bool = False, heal: bool = True, original: str = "") -> Repository:
        """Open the repository at ``path``; ``create`` it where it is missing; messages name its ``original``.

        ``heal`` rolls back an abandoned transaction (and waits for one at work). Raises DamagedError where it cannot
        be opened.
        """
        ui, place = quiet_ui(), Place(path, original)
        with translate_errors(f"The repository {place} cannot be opened.", place):
            if create and not os.path.isdir(os.path.join(path, ".hg")):
                _make(ui, path)
            repo = hg.repository(ui, os.fsencode(path)).unfiltered()
            if heal and os.path.exists(os.path.join(path, ".hg/store/journal")):
                repo.recover()
        return cls(repo, place)

    def heads(self) -> tuple[str, ...]:
        """The nodes of every head, newest first; () when empty."""
        with reading(self._place):
            return tuple(node.hex() for node in self._repo.heads() if node != nodes.nullid)

    def has(self, node: str) -> bool:
        """Whether the repository has ``node``."""
        with reading(self._place):
            return purging.has(self._repo.changelog, nodes.bin(node))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether ``older`` is ``newer`` or an ancestor of it; the repository has both."""
        with reading(self._place):
            log = self._repo.changelog
            return bool(log.isancestorrev(log.rev(nodes.bin(older)), log.rev(nodes.bin(newer))))

    def revisions(self) -> Iterator[str]:
        """Every node, newest first."""
        with reading(self._place):
            log = self._repo.changelog
            newest_first = [log.node(revision) for revision in range(len(log) - 1, -1, -1)]
        for node in newest_first:
            yield node.hex()

    def note(self, node: str) -> Note:
        """The note of the revision ``node``."""
        with reading(self._place):
            return _note(self._repo.changelog.changelogrevision(nodes.bin(node)))

    def revision(self, node: str) -> Revision:
        """The revision ``node``. Raises DamagedError."""
        with reading(self._place):
            change = self._repo.changelog.changelogrevision(nodes.bin(node))
            return Revision(node, _note(change), tuple(change.files))

    def names(self, node: str) -> dict[bytes, bytes]:
        """The file revision (raw id and flags) of each stored name in the revision ``node``."""
        with reading(self._place):
            manifest = self._repo[nodes.bin(node)].manifest()
            return {name: file_node + flags for name, file_node, flags in manifest.iterentries()}

    def reader(self, node: str) -> Reader:
        """A function from a stored name to its bytes in ``node``, hash checked; it raises DamagedError."""
        with reading(self._place):
            return Reader(self._repo, self._place, self._repo[nodes.bin(node)].manifest())

    def annotate(self, node: str, name: bytes) -> list[tuple[str, bytes]]:
        """The lines of ``name`` in ``node``, each with the revision that brought it in. Raises DamagedError."""
        with reading(self._place):
            lines = self._repo[nodes.bin(node)][name].annotate()
            files = {id(line.fctx): line.fctx for line in lines}
            brought_by = {key: file.node().hex() for key, file in files.items()}
            return [(brought_by[id(line.fctx)], bytes(line.text)) for line in lines]

    def every_revision(self, wanted: Callable[[bytes], bool]) -> Iterator[purging.FileRevision]:
        """Every revision of the stored names that are ``wanted``, purged ones too. Raises DamagedError."""
        return purging.every_revision(self._repo, self._place, wanted)

    def file_revisions(self, wanted: Callable[[bytes], bool]) -> Iterator[purging.FileRevision]:
        """Every such revision that is not purged. Raises DamagedError."""
        return (revision for revision in self.every_revision(wanted) if not revision.is_purged)

    def contents(self, wanted: Callable[[bytes], bool]) -> Iterator[tuple[purging.FileRevision, bytes]]:
        """Every content that the ``wanted`` names ever had and that is not purged, of each name the oldest first.

        Content that a file gets a second time has one revision, the first. Raises DamagedError.
        """
        return purging.contents(self._repo, self._place, wanted)

    def present(self, revisions: Iterable[str]) -> set[tuple[bytes, bytes]]:
        """The stored name and node (20 bytes) of each file in any of ``revisions``; missing revisions are skipped.

        Raises DamagedError.
        """
        return purging.present(self._repo, self._place, revisions)

    def has_name(self, node: str, name: bytes) -> bool:
        """Whether the revision ``node`` has the stored ``name``. Raises DamagedError."""
        with reading(self._place):
            return name in self._repo[nodes.bin(node)].manifest()

    def stored_names(self) -> set[bytes]:
        """The names of all files that any revision has. Raises DamagedError."""
        with reading(self._place):
            return purging.stored_names(self._repo)

    def erase(self, revisions: Mapping[bytes, Collection[str]]) -> int:
        """Erase the content of ``revisions`` (nodes by stored name), all or none; returns how many had content.

        Removes the copies that a killed run or Mercurial itself has left of them as well. Raises PachaError.
        """
        return purging.erase(self._repo, self._place, revisions)

    def has_copies(self) -> bool:
        """Whether an ``erase`` was killed before it removed the copies that Mercurial keeps."""
        return any(True for _ in purging.copies(self.path))

    def is_purged(self, name: bytes, node: bytes) -> bool:
        """Whether the content of a revision (20 bytes) of ``name`` is purged here. Raises DamagedError."""
        with reading(self._place):
            return purging.is_purged(self._repo, name, node)

    def locked(self) -> AbstractContextManager[None]:
        """Hold its lock, so that nobody adds to it. Raises PachaError where another holds it for long."""
        return purging.locked(self._repo, self._place)

    def is_plain(self) -> bool:
        """Whether its format is exactly the one in which Pacha creates repositories."""
        return bool(self._repo.requirements == PLAIN)

    def ends_with(self, node: str, read: Set[bytes] = frozenset()) -> bool:
        """Whether its format is plain, ``node`` its last revision and only head, and no log goes beyond that revision.

        A store that was copied during a push may hold data of an unfinished revision. The logs of the names that were
        ``read`` (see ``Reader``) are not checked again.
        """
        with reading(self._place):
            changes, last = self._repo.changelog, len(self._repo.changelog) - 1
            if last < 0 or changes.node(last) != nodes.bin(node) or changes.headrevs() != [last]:
                return False
            if not self.is_plain():
                return False
            logs = itertools.chain([self._repo.manifestlog.getstorage(b"")], map(self._repo.file, self._others(read)))
            return not any(goes_beyond(log, last) for log in logs)

    def _others(self, read: Set[bytes]) -> Set[bytes]:
        """The names in the list of logs of a plain store, without those that were ``read``."""
        listed = {path.rpartition(b".")[0] for path in self._repo.store.fncache}
        return {path.removeprefix(b"data/") for path in listed if path.startswith(b"data/")} - read

    def commit(
        self,
        parent: str,
        written: Iterable[bytes],
        removed: Iterable[bytes],
        content: Content,
        note: Note,
        second: SecondWriter | None = None,
    ) -> str:
        """Commit on ``parent`` (NULL: the first) the names ``written`` and ``removed``.

        ``content`` is called once for each written name, in sorted order, and its result is not kept in memory; None
        means that the file disappeared. Returns the new node, or ``parent`` where nothing differs from it. What
        ``content`` raises is passed on, and then nothing is committed. ``second`` is only for a repository from
        ``open_lazily``, whose first commit creates it.
        """
        with translate_errors(f"The repository {self._place} cannot be written.", self._place):
            try:
                with frequent_gc():
                    with self._repo.lock(), self._repo.transaction(b"pacha"):
                        changes = CommitContext(
                            self._repo, parent=parent, written=written, removed=removed, content=content, note=note
                        )
                        node: bytes = self._repo.commitctx(changes)
                        if parent != NULL and self._same_manifest(node, parent):
                            raise _NothingDiffers
                    self._repo.manifestlog.clearcaches()  # it keeps whole manifests
            except _NothingDiffers:
                self._repo.invalidateall()
                return parent
        return node.hex()

    def _same_manifest(self, node: bytes, parent: str) -> bool:
        log = self._repo.changelog
        return bool(log.read(node)[0] == log.read(nodes.bin(parent))[0])


def load() -> None:
    """Import what reading a repository needs, ahead of its first use."""
    with suppress(PachaError):
        Repository.open(os.devnull)


def _note(change: Any) -> Note:
    """The note of a changelog's entry from anywhere, safe to print; a time out of range becomes 0."""
    message, user = (text.decode("utf-8", "replace") for text in (change.description, change.user))
    at = change.date[0]
    return Note(printable(message, keep="\n"), printable(user), float(at) if 0 <= at <= _LAST_SECOND else 0.0)


def _make(ui: Any, path: str) -> None:
    """Create it at a temporary path and rename it: a half-created one could never be opened."""
    new = repository_dir.temporary_path(path)
    with _MAKING:
        umask = os.umask(0o077)
        try:
            hg.repository(ui, os.fsencode(new), create=True)
        finally:
            os.umask(umask)
    os.rename(new, path)


class _NothingDiffers(Exception):
    """Leaving a transaction this way rolls it back."""
