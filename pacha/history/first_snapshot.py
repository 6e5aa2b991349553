"""Find the first snapshot that names a revision of a content repository, or a descendant of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pacha.errors import DamagedError
from pacha.history.reader import History
from pacha.store import hg
from pacha.store.snapshot import Watched


@dataclass(slots=True, kw_only=True)
class Naming:
    """Which of the ``revisions`` of ``db``, oldest first, name a revision of the content repository ``name``.

    ``node`` is a revision that the repository has; ``watched`` returns what a snapshot watches. A snapshot that turns
    out to be unreadable joins ``history.unreadable``.
    """

    history: History
    name: str
    node: str
    revisions: list[hg.Revision]
    watched: Callable[[hg.Revision], Sequence[Watched]]
    _nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, node: str) -> hg.Revision:
        """The first that names ``node`` or a descendant; the last one if none does."""
        while True:
            try:
                position = bisect_left(self.revisions, True, key=lambda revision: self._names(revision, node))
                return self.revisions[min(position, len(self.revisions) - 1)]
            except _UnreadableError as error:
                self.revisions.remove(error.revision)

    def _names(self, revision: hg.Revision, node: str) -> bool:
        if revision.node not in self._nodes:
            self._nodes[revision.node] = tuple(self._named(revision))
        repository = self.history.repository(self.name, self.node)
        return any(
            repository.has(named) and repository.is_ancestor(node, named) for named in self._nodes[revision.node]
        )

    def _named(self, revision: hg.Revision) -> Iterator[str]:
        try:
            every = self.watched(revision)
        except DamagedError as error:
            self.history.spoil(revision.node, error)
            raise _UnreadableError(revision) from None
        for watched in every:
            if watched.repository == self.name and watched.node:
                yield watched.node


class _UnreadableError(Exception):
    """A snapshot cannot be read; the search goes on without it."""

    def __init__(self, revision: hg.Revision) -> None:
        super().__init__(revision.node)
        self.revision = revision
