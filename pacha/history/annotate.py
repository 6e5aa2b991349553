"""Say which snapshot brought in each line of a file.

Mercurial annotates the file in its content repository; each revision there is mapped to the first snapshot that names
it or a descendant. Content that was committed without a snapshot came in with the next one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field

from pacha.errors import DamagedError, UsageError
from pacha.files.metadata import Entry
from pacha.history.reader import History, watched_of
from pacha.store import hg
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import escape

_MOST_LINES = 1_000_000


@dataclass(frozen=True, slots=True)
class AnnotatedLine:
    """A line of a file, with its end, and the snapshot that brought it in."""

    revision: hg.Revision
    text: bytes


def annotate(history: History, snapshot: Snapshot, entry: Entry, newest: hg.Revision) -> list[AnnotatedLine]:
    """The lines of a file of ``snapshot``, which is that of ``newest``. Raises UsageError, DamagedError.

    A snapshot that turns out to be unreadable joins ``history.unreadable``.
    """
    text, watched = _text(history, snapshot, entry), watched_of(snapshot, entry)
    node, name = watched.node or hg.NULL, entry.stored or b""
    lines = history.repository(watched.repository, node).annotate(node, name)
    if b"".join(line for _, line in lines) != text:
        raise _damaged(entry, watched)
    naming = _Naming(history, watched, _until(history, newest))
    first = {node: naming.first(node) for node in dict(lines)}
    return [AnnotatedLine(first[node], line) for node, line in lines]


def _text(history: History, snapshot: Snapshot, entry: Entry) -> bytes:
    """The content, as it was pushed."""
    if entry.parts:
        raise _refused(entry, "it is so large that it is kept in parts")
    text = b"".join(history.content(snapshot, entry))
    if b"\0" in text:
        raise _refused(entry, "it is binary")
    if text.count(b"\n") > _MOST_LINES:
        raise _refused(entry, f"it has more than {_MOST_LINES:,} lines")
    return text


def _until(history: History, newest: hg.Revision) -> list[hg.Revision]:
    """The readable snapshots up to ``newest``, oldest first."""
    revisions = list(history.revisions)
    return revisions[revisions.index(newest) :][::-1]


@dataclass(slots=True)
class _Naming:
    """Which of the ``revisions`` of ``db``, oldest first, name a revision of the repository of ``watched``."""

    history: History
    watched: Watched
    revisions: list[hg.Revision]
    _nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def first(self, node: str) -> hg.Revision:
        """The first that names ``node`` or a descendant."""
        while True:
            try:
                position = bisect_left(self.revisions, True, key=lambda revision: self._names(revision, node))
                return self.revisions[min(position, len(self.revisions) - 1)]
            except _UnreadableError as error:
                self.revisions.remove(error.revision)

    def _names(self, revision: hg.Revision, node: str) -> bool:
        if revision.node not in self._nodes:
            self._nodes[revision.node] = tuple(self._named(revision))
        repository = self.history.repository(self.watched.repository, self.watched.node or "")
        return any(
            repository.has(named) and repository.is_ancestor(node, named) for named in self._nodes[revision.node]
        )

    def _named(self, revision: hg.Revision) -> Iterator[str]:
        try:
            snapshot = self.history.snapshot(revision)
        except DamagedError as error:
            self.history.spoil(revision.node, error)
            raise _UnreadableError(revision) from None
        for watched in snapshot.watched:
            if watched.repository == self.watched.repository and watched.node:
                yield watched.node


class _UnreadableError(Exception):
    """A snapshot cannot be read, and is passed over."""

    def __init__(self, revision: hg.Revision) -> None:
        super().__init__(revision.node)
        self.revision = revision


def _refused(entry: Entry, why: str) -> UsageError:
    return UsageError(
        f"{escape(entry.path)} has no lines to annotate.",
        why,
        f"'pacha log {escape(entry.path)}' lists the snapshots that touched it.",
        code="no-lines",
    )


def _damaged(entry: Entry, watched: Watched) -> DamagedError:
    return DamagedError(
        f"{escape(entry.path)} is not as it was pushed.",
        f"the history of its lines in the repository '{watched.repository}' does not lead to its content",
        "Look at the repository with 'hg verify'.",
        code="content-damaged",
    )
