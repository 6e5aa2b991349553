"""Find in a snapshot what a path on the command line means."""

from __future__ import annotations

from collections.abc import Sequence

from pacha.errors import UsageError
from pacha.files.entry import Entry, Kind
from pacha.files.paths import is_within
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import escape


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
    raise _not_there(candidates[0])


def candidate_in(snapshot: Snapshot, candidates: Sequence[bytes]) -> bytes:
    """The first of ``candidates`` that the snapshot has, or has something below. Raises UsageError."""
    for path in candidates:
        if path in snapshot.entries or any(is_within(watched.path, path) for watched in snapshot.live):
            return path
    raise _not_there(candidates[0])


def _not_there(path: bytes) -> UsageError:
    hint = f"'pacha log {escape(path)}' lists the snapshots that touched it."
    return UsageError(f"{escape(path)} is not in that snapshot.", hint=hint, code="path-not-in-snapshot")


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
