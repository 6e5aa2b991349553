"""Create a repository, or ask one with a single revision, without importing all of Mercurial."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from pacha.library import UnknownLibraryError
from pacha.store import hg, repository_dir
from pacha.store.revision import CHANGELOG, ENTRY, NULL, Content, Note

if TYPE_CHECKING:
    from pacha.store.growth import Growth
    from pacha.store.hg.first_commit import SecondWriter
    from pacha.store.hg.repository import Repository


def open_lazily(path: str, growth: Growth | None = None) -> Repository:
    """The repository at ``path``, created if it is missing; opened, which imports Mercurial, only when it must be.

    Its methods raise what ``Repository.open`` raises, too. ``growth`` gets the files that its first commit writes.
    """
    return cast("Repository", _LazyRepository(path, growth))


class _LazyRepository:
    """Has the methods of ``Repository``; those that are not defined here open one."""

    def __init__(self, path: str, growth: Growth | None) -> None:
        self.path = path
        self._growth = growth
        self.accepts_purged: Callable[[bytes, bytes], bool] = lambda name, node: False
        self._opened: Repository | None = None

    def heads(self) -> tuple[str, ...]:
        """The nodes of every head, newest first; () when empty."""
        only = self._only()
        return self._repository.heads() if only is None else only

    def commit(
        self,
        parent: str,
        written: Iterable[bytes],
        removed: Iterable[bytes],
        content: Content,
        note: Note,
        second: SecondWriter | None = None,
    ) -> str:
        """As ``Repository.commit``; the first commit makes the repository."""
        names = list(written)
        if parent == NULL and names and not os.path.lexists(self.path):
            with suppress(UnknownLibraryError):  # a Mercurial without its C parts, or an unknown one
                make = hg.make_repository
                growth, self._growth = self._growth, None  # of the first attempt alone
                return make(self.path, names, content, note, growth, second)
        return self._repository.commit(parent, names, removed, content, note)

    def _only(self) -> tuple[str, ...] | None:
        """The node of the only revision, () for none; None where Mercurial must find out."""
        store = os.path.join(self.path, repository_dir.STORE)
        try:
            with open(os.path.join(store, "00changelog.i"), "rb", buffering=0) as stream:
                index = stream.read(ENTRY.size + 1)
        except OSError:
            return None if os.path.lexists(self.path) else ()
        if len(index) != ENTRY.size or os.path.lexists(os.path.join(store, "journal")):
            return None
        header, *_, p1, p2, node = ENTRY.unpack(index)
        return (node.hex(),) if (header, p1, p2) == (CHANGELOG, -1, -1) else None

    @property
    def _repository(self) -> Repository:
        if self._opened is None:
            self._opened = hg.Repository.open(self.path, create=True)
            self._opened.accepts_purged = self.accepts_purged
        return self._opened

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repository, name)
