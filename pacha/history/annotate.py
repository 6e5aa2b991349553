"""Say which snapshot brought in each line of a file.

Mercurial annotates the file in its content repository; each revision there is mapped to the first snapshot that names
it or a descendant. Content that was committed without a snapshot came in with the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from pacha.errors import DamagedError, UsageError
from pacha.files.entry import Entry
from pacha.history.first_snapshot import Naming
from pacha.history.lookup import watched_of
from pacha.history.reader import History
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
    revisions = list(history.revisions)
    naming = Naming(
        history=history, name=watched.repository, node=node,
        revisions=revisions[revisions.index(newest) :][::-1],  # oldest first
        watched=lambda each: history.snapshot(each).watched,  # reads all of it: only an intact snapshot is named
    )  # fmt: skip
    first = {node: naming.first(node) for node in dict(lines)}
    return [AnnotatedLine(first[node], line) for node, line in lines]


def _text(history: History, snapshot: Snapshot, entry: Entry) -> bytes:
    """The content, as it was pushed."""
    if entry.sealed is not None:
        raise _refused(entry, "its content is sealed")
    if entry.parts:
        raise _refused(entry, "it is so large that it is kept in parts")
    text = b"".join(history.content(snapshot, entry))
    if b"\0" in text:
        raise _refused(entry, "it is binary")
    if text.count(b"\n") > _MOST_LINES:
        raise _refused(entry, f"it has more than {_MOST_LINES:,} lines")
    return text


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
