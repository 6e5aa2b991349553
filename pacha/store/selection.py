"""Reduce a snapshot to selected paths or watched directories. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pacha.errors import UsageError
from pacha.files import paths
from pacha.files.paths import is_within, is_within_any
from pacha.store.snapshot import Snapshot, Watched, parents_of
from pacha.text import escape


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected parts of a snapshot.

    ``paths``: the candidates for each selected path (absolute bytes, the likeliest first; a parent may be a link).
    ``directories``: names of repositories, or last components of watched paths.
    """

    paths: tuple[tuple[bytes, ...], ...] = ()
    directories: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths or self.directories)


EVERYTHING = Selection()  #: the whole snapshot


def path_candidates(path: bytes) -> tuple[bytes, ...]:
    """What ``path`` may mean: the path as written, and with the links above it resolved."""
    absolute = b"/" + os.path.normpath(os.path.join(os.getcwdb(), path)).lstrip(b"/")
    parent, name = os.path.split(absolute)
    return absolute, os.path.join(os.path.realpath(parent), name)


def roots(snapshot: Snapshot, selection: Selection, *, absent: bool = False) -> tuple[bytes, ...]:
    """The paths that ``selection`` means in ``snapshot``, none of them below another.

    With ``absent``, a path may be missing from the snapshot. Raises UsageError.
    """
    selected = {_directory(snapshot, name) for name in selection.directories}
    selected |= {_path(snapshot, candidates, absent) for candidates in selection.paths}
    return tuple(sorted(path for path in selected if not is_within_any(path, selected - {path})))


def select(snapshot: Snapshot, chosen: Sequence[bytes]) -> Snapshot:
    """``snapshot`` reduced to what is at or below the paths ``chosen``.

    The directories above them, up to the watched one, become parents, which a rebuild creates where they are missing.
    """
    live = tuple(watched for watched in snapshot.live if any(_meets(watched, path) for path in chosen))
    entries = {path: entry for path, entry in snapshot.entries.items() if is_within_any(path, chosen)}
    parents = dict(snapshot.parents)
    for path in chosen:
        parents.update({p: snapshot.entries[p] for p in parents_of(path) if p in snapshot.entries})
    above = {folder for path in (*(watched.path for watched in live), *chosen) for folder in parents_of(path)}
    return replace(snapshot, watched=live, entries=entries, parents={p: e for p, e in parents.items() if p in above})


def _meets(watched: Watched, path: bytes) -> bool:
    return watched.holds(path) or is_within(watched.path, path)


def _directory(snapshot: Snapshot, name: str) -> bytes:
    live = snapshot.live
    matches = [watched for watched in live if watched.repository == name] or [
        watched for watched in live if paths.name(watched.path) == os.fsencode(name)
    ]
    if len(matches) == 1:
        return matches[0].path
    known = ", ".join(f"'{watched.repository}' ({escape(watched.path)})" for watched in (matches or live)[:8])
    subject = "More than one watched path is" if matches else "No watched path was"
    raise UsageError(
        f"{subject} called '{escape(os.fsencode(name)[:80])}'.",
        f"there is {known}",
        "Name one of those.",
        code="directory-not-unique",
    )


def _path(snapshot: Snapshot, candidates: Sequence[bytes], absent: bool) -> bytes:
    related = [path for path in candidates if any(_meets(watched, path) for watched in snapshot.live)]
    for path in related:
        if path in snapshot.entries or any(is_within(watched.path, path) for watched in snapshot.live):
            return path
    if not related:
        known = ", ".join(escape(watched.path) for watched in snapshot.live[:8])
        raise UsageError(
            f"{escape(candidates[0])} is not below a watched path.",
            f"watched were {known}",
            "Name a path below one of those.",
            code="path-not-below-watched",
        )
    if absent:
        return related[0]
    raise UsageError(
        f"{escape(related[0])} is not in that snapshot.",
        "its watched directory had no such path then",
        "To move aside what is there now: --delete",
        code="path-not-in-snapshot",
    )
