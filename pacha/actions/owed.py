"""What a rebuild could not restore is owed: until it is settled, pushes keep what was recorded of it.

Otherwise the first push by cron after a partial rebuild would make the damage the newest snapshot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import astuple, replace

from pacha.files.metadata import Entry
from pacha.store.state import StateFolder

_ABSENT = "absent"


def remember(state: StateFolder, paths: Iterable[bytes], left: Mapping[bytes, Entry]) -> None:
    """Remember ``paths`` as owed, each as it was ``left`` on disk (absent from it: not there)."""
    owed = {path.hex(): _mark(left.get(path)) for path in paths}
    state.remember(owed=owed or None)


def paths(state: StateFolder) -> frozenset[bytes]:
    """The paths that are owed."""
    return frozenset(bytes.fromhex(path) for path in state.memory().get("owed", {}))


def keep_recorded(
    state: StateFolder, found: Mapping[bytes, Entry], recorded: Mapping[bytes, Entry]
) -> tuple[dict[bytes, Entry], frozenset[bytes]]:
    """``found`` with the ``recorded`` entry of each owed path that is still as the rebuild left it.

    Also returns the paths that are still owed; one that was changed since is the owner's own business.
    """
    owed = {bytes.fromhex(path): mark for path, mark in state.memory().get("owed", {}).items()}
    entries, still = dict(found), set()
    for path, mark in owed.items():
        if path in recorded and _mark(found.get(path)) == mark:
            entries[path] = recorded[path]
            still.add(path)
    return entries, frozenset(still)


def _mark(entry: Entry | None) -> str:
    """What a path looks like, without its content (whose change moves the mtime)."""
    if entry is None:
        return _ABSENT
    bare = replace(entry, sha256=None, link_group=None, stored=None, parts=0, owner=None, group=None)
    return hashlib.sha256(repr(astuple(bare)).encode("ascii", "backslashreplace")).hexdigest()[:16]
