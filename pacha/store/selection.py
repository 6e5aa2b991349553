"""Reduce a snapshot to the paths or watched directories that were asked for. Pure."""

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
    """Which parts: ``paths`` each as the ways in which it can be meant (absolute bytes, the likeliest first:
    a parent may be a link), ``directories`` by the name of their repository or by their last component.
    """

    paths: tuple[tuple[bytes, ...], ...] = ()
    directories: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths or self.directories)


EVERYTHING = Selection()  #: the whole snapshot


def path_candidates(path: bytes) -> tuple[bytes, ...]:
    """How ``path``, as it was given, can be meant: as it is written, and with the links above it resolved."""
    whole = b"/" + os.path.normpath(os.path.join(os.getcwdb(), path)).lstrip(b"/")
    parent, name = os.path.split(whole)
    return whole, os.path.join(os.path.realpath(parent), name)


def roots(snapshot: Snapshot, asked: Selection, *, absent: bool = False) -> tuple[bytes, ...]:
    """The paths that ``asked`` means in ``snapshot``, none of them below another.

    With ``absent`` a path may be one that a watched directory did not have then. Raises UsageError.
    """
    found = {_directory(snapshot, name) for name in asked.directories}
    found |= {_path(snapshot, ways, absent) for ways in asked.paths}
    return tuple(sorted(path for path in found if not is_within_any(path, found - {path})))


def select(snapshot: Snapshot, chosen: Sequence[bytes]) -> Snapshot:
    """``snapshot`` with nothing but what is at or below the paths ``chosen``.

    The directories above them, up to and with the watched one, become parents: made where they are missing.
    """
    live = tuple(one for one in snapshot.live if any(_meets(one, path) for path in chosen))
    entries = {path: entry for path, entry in snapshot.entries.items() if is_within_any(path, chosen)}
    parents = dict(snapshot.parents)
    for path in chosen:
        parents.update({p: snapshot.entries[p] for p in parents_of(path) if p in snapshot.entries})
    above = {path for one in live for path in parents_of(one.path)} | {p for path in chosen for p in parents_of(path)}
    return replace(snapshot, watched=live, entries=entries, parents={p: e for p, e in parents.items() if p in above})


def _meets(watched: Watched, path: bytes) -> bool:
    return watched.holds(path) or is_within(watched.path, path)


def _directory(snapshot: Snapshot, name: str) -> bytes:
    live = snapshot.live
    found = [one for one in live if one.repository == name] or [
        one for one in live if paths.name(one.path) == os.fsencode(name)
    ]
    if len(found) == 1:
        return found[0].path
    known = ", ".join(f"'{one.repository}' ({escape(one.path)})" for one in (found or live)[:8])
    what = "More than one watched path is" if found else "No watched path was"
    raise UsageError(
        f"{what} called '{escape(os.fsencode(name)[:80])}'.",
        f"there is {known}",
        "Name one of those.",
        code="directory-not-unique",
    )


def _path(snapshot: Snapshot, ways: Sequence[bytes], absent: bool) -> bytes:
    watched = [path for path in ways if any(_meets(one, path) for one in snapshot.live)]
    for path in watched:
        if path in snapshot.entries or any(is_within(one.path, path) for one in snapshot.live):
            return path
    if not watched:
        known = ", ".join(escape(one.path) for one in snapshot.live[:8])
        raise UsageError(
            f"{escape(ways[0])} is not below a watched path.",
            f"watched were {known}",
            "Name a path below one of those.",
            code="path-not-below-watched",
        )
    if absent:
        return watched[0]
    raise UsageError(
        f"{escape(watched[0])} is not in that snapshot.",
        "its watched directory had no such path then",
        "To move aside what is there now: --delete",
        code="path-not-in-snapshot",
    )
