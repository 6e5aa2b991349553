"""A repository on this machine: read it, and commit content that is read only when needed."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mercurial import context, error, hg, scmutil
from mercurial import node as nodes

from pacha.errors import PachaError, PurgedError
from pacha.store import repository_dir
from pacha.store.hg import purging, tombstone
from pacha.store.hg.plain_reading import plainly
from pacha.store.hg.revlog import OneRevisionReader
from pacha.store.hg.runtime import Place, frequent_gc, quiet_ui, translate_errors
from pacha.store.revision import NULL, PLAIN, Content, Note, hashed
from pacha.text import escape, printable

if TYPE_CHECKING:
    from pacha.store.hg.first_commit import SecondWriter

tombstone.keep_apart()
_MAKING = threading.Lock()  #: the umask is that of all threads, and two set it back to each other's
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

    def _reading(self) -> AbstractContextManager[None]:
        return _reading(self._place)

    def heads(self) -> tuple[str, ...]:
        """The nodes of every head, newest first; () when empty."""
        with self._reading():
            heads = [nodes.hex(node).decode() for node in self._repo.heads()]
        return tuple(node for node in heads if node != NULL)

    def has(self, node: str) -> bool:
        """Whether the repository has ``node``."""
        with self._reading():
            return purging.has(self._repo.changelog, nodes.bin(node))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether ``older`` is ``newer`` or an ancestor of it; the repository has both."""
        with self._reading():
            log = self._repo.changelog
            return bool(log.isancestorrev(log.rev(nodes.bin(older)), log.rev(nodes.bin(newer))))

    def revisions(self) -> Iterator[str]:
        """Every node, newest first."""
        with self._reading():
            log = self._repo.changelog
            newest_first = [log.node(revision) for revision in range(len(log) - 1, -1, -1)]
        for node in newest_first:
            yield nodes.hex(node).decode()

    def note(self, node: str) -> Note:
        """The note of the revision ``node``."""
        with self._reading():
            return _note(self._repo.changelog.changelogrevision(nodes.bin(node)))

    def revision(self, node: str) -> Revision:
        """The revision ``node``. Raises DamagedError."""
        with self._reading():
            change = self._repo.changelog.changelogrevision(nodes.bin(node))
            return Revision(node, _note(change), tuple(change.files))

    def names(self, node: str) -> dict[bytes, bytes]:
        """The file revision (raw id and flags) of each stored name in the revision ``node``."""
        with self._reading():
            manifest = self._repo[nodes.bin(node)].manifest()
            return {name: file_node + flags for name, file_node, flags in manifest.iterentries()}

    def reader(self, node: str) -> Reader:
        """A function from a stored name to its bytes in ``node``, hash checked; it raises DamagedError."""
        with self._reading():
            return Reader(self._repo, self._place, self._repo[nodes.bin(node)].manifest())

    def annotate(self, node: str, name: bytes) -> list[tuple[str, bytes]]:
        """The lines of ``name`` in ``node``, each with the revision that brought it in. Raises DamagedError."""
        with self._reading():
            lines = self._repo[nodes.bin(node)][name].annotate()
            brought = {id(line.fctx): line.fctx for line in lines}
            found = {key: nodes.hex(file.node()).decode() for key, file in brought.items()}
            return [(found[id(line.fctx)], bytes(line.text)) for line in lines]

    def every_revision(self, wanted: Callable[[bytes], bool]) -> Iterator[purging.FileRevision]:
        """Every revision of the stored names that are ``wanted``, purged ones too. Raises DamagedError."""
        return purging.every_revision(self._repo, self._place, wanted)

    def file_revisions(self, wanted: Callable[[bytes], bool]) -> Iterator[purging.FileRevision]:
        """Those of them that have their content. Raises DamagedError."""
        return (revision for revision in self.every_revision(wanted) if not revision.is_purged)

    def contents(self, wanted: Callable[[bytes], bool]) -> Iterator[tuple[purging.FileRevision, bytes]]:
        """Each content that the ``wanted`` names ever had, but for purged ones, the oldest of a name first.

        A content that comes back as a new file has one revision, the first. Raises DamagedError.
        """
        return purging.contents(self._repo, self._place, wanted)

    def present(self, revisions: Iterable[str]) -> set[tuple[bytes, bytes]]:
        """The stored name and node (20 bytes) of each file in any of ``revisions``; those that are missing have none.

        Raises DamagedError.
        """
        return purging.present(self._repo, self._place, revisions)

    def has_name(self, node: str, name: bytes) -> bool:
        """Whether the revision ``node`` has the stored ``name``. Raises DamagedError."""
        with self._reading():
            return name in self._repo[nodes.bin(node)].manifest()

    def stored_names(self) -> set[bytes]:
        """The names of all files that any revision has. Raises DamagedError."""
        with self._reading():
            return purging.stored_names(self._repo)

    def erase(self, revisions: Mapping[bytes, Collection[str]]) -> int:
        """Erase the content of these revisions of files (nodes by stored name), all or none; returns how many had any.

        What a killed run or Mercurial itself has put aside of this repository goes as well. Raises PachaError.
        """
        return purging.erase(self._repo, self._place, revisions)

    def has_copies(self) -> bool:
        """Whether an ``erase`` was killed before it removed what Mercurial had put aside."""
        return any(True for _ in purging.copies(self.path))

    def is_purged(self, name: bytes, node: bytes) -> bool:
        """Whether the content of a revision (20 bytes) of ``name`` is purged here. Raises DamagedError."""
        with self._reading():
            return purging.is_purged(self._repo, name, node)

    def locked(self) -> AbstractContextManager[None]:
        """Meanwhile nobody adds to it. Raises PachaError where another process has it for long."""
        return purging.locked(self._repo, self._place)

    def is_plain(self) -> bool:
        """Whether its format is exactly the one in which Pacha creates repositories."""
        return bool(self._repo.requirements == PLAIN)

    def ends_with(self, node: str, read: Set[bytes] = frozenset()) -> bool:
        """Whether its format is plain, ``node`` its last revision and only head, and no log goes beyond that revision.

        A store that was copied during a push may hold data of an unfinished revision. The logs of the names that were
        ``read`` (see ``Reader``) are not checked again.
        """
        with self._reading():
            changes, last = self._repo.changelog, len(self._repo.changelog) - 1
            if last < 0 or changes.node(last) != nodes.bin(node) or changes.headrevs() != [last]:
                return False
            if not self.is_plain():
                return False
            logs = itertools.chain([self._repo.manifestlog.getstorage(b"")], map(self._repo.file, self._others(read)))
            return not any(_goes_beyond(log, last) for log in logs)

    def _others(self, read: Set[bytes]) -> Set[bytes]:
        """The names with a log, as the list of a plain store has them, but for those that were ``read``."""
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
        ``content`` raises is passed on, and then nothing is committed. ``second`` helps where the repository is made by
        this (``open_lazily``).
        """
        with translate_errors(f"The repository {self._place} cannot be written.", self._place):
            try:
                with frequent_gc():
                    with self._repo.lock(), self._repo.transaction(b"pacha"):
                        node = self._repo.commitctx(self._context(parent, written, removed, content, note))
                        if parent != NULL and self._same_manifest(node, parent):
                            raise _NothingDiffers
                    self._repo.manifestlog.clearcaches()  # it keeps whole manifests
            except _NothingDiffers:
                self._repo.invalidateall()
                return parent
        return str(nodes.hex(node).decode())

    def _context(
        self, parent: str, written: Iterable[bytes], removed: Iterable[bytes], content: Content, note: Note
    ) -> _Commit:
        return _Commit(
            self._repo, parent=parent, written=list(written), removed=list(removed), content=content, note=note
        )

    def _same_manifest(self, node: bytes, parent: str) -> bool:
        log = self._repo.changelog
        return bool(log.read(node)[0] == log.read(nodes.bin(parent))[0])


class Reader:
    """From a stored name to its bytes in one revision. ``beyond``: a log that was read goes beyond the last one."""

    def __init__(self, repo: Any, place: Place, manifest: Any) -> None:
        plainly(repo)
        self._repo = repo
        self._place = place
        self._manifest = manifest
        self._singles = OneRevisionReader.of(repo)
        self._last = len(repo.changelog) - 1
        self.beyond = False

    def __call__(self, name: bytes) -> bytes:
        """The bytes of ``name``, hash checked. Raises DamagedError."""
        with _reading(self._place):
            node = self._manifest[name]
            only = self._singles.get(name)
            if only is not None and only.node == node and only.link <= self._last:
                return only.text
            log = self._repo.file(name)
            log._revlog.hash = hashed
            self.beyond = self.beyond or _goes_beyond(log, self._last)
            try:
                return bytes(log.read(node))
            except error.CensoredNodeError:
                raise purged(name) from None

    def names(self, name: bytes, node: bytes, link: int) -> bool:
        """Whether this revision has ``name`` as the file revision ``node``, of the revision number ``link``."""
        with _reading(self._place):
            return link <= self._last and self._manifest.get(name) == node


def purged(name: bytes) -> PurgedError:
    """The error for the content of the stored ``name``, which was erased."""
    return PurgedError(
        f"{escape(name)} has no content any more.",
        "it was purged",
        "'pacha log PATH' says when, by whom and why. Name another snapshot with --at.",
        code="content-purged",
        subject=escape(name),
    )


def load() -> None:
    """Import what reading a repository needs, ahead of its first use."""
    with suppress(PachaError):
        Repository.open(os.devnull)


def _reading(place: Place) -> AbstractContextManager[None]:
    return translate_errors(f"The repository {place} is damaged.", place)


def _goes_beyond(log: Any, last: int) -> bool:
    """Whether a log has data of a later revision than ``last``."""
    return any(log.linkrev(revision) > last for revision in log)


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


class _Commit(context.memctx):  # type: ignore[misc]
    """A memctx that asks for content only when it is needed, and does not keep it.

    Mercurial's own memoizes every file, and reads each to distinguish modified from removed ones.
    """

    def __init__(
        self, repo: Any, *, parent: str, written: list[bytes], removed: list[bytes], content: Content, note: Note
    ) -> None:
        parents = (nodes.bin(parent), nodes.nullid)
        super().__init__(
            repo, parents, note.message.encode("utf-8", "replace"), sorted(written + removed), lambda *_: None,
            user=note.user.encode("utf-8", "replace"), date=(int(note.at), 0), extra={},
        )  # fmt: skip
        before = repo[parents[0]].manifest()
        self._status = scmutil.status(
            sorted(n for n in written if n in before), sorted(n for n in written if n not in before),
            sorted(n for n in removed if n in before), [], [], [], [],
        )  # fmt: skip
        self._filectxfn = self._file_maker(repo, content)

    def _file_maker(self, repo: Any, content: Content) -> Callable[..., Any]:
        def make(_repo: Any, _ctx: Any, name: bytes) -> Any:
            blob = content(name)
            if blob is None:
                return None
            return context.memfilectx(repo, self, name, blob.data, islink=blob.is_link, isexec=blob.is_executable)

        return make
