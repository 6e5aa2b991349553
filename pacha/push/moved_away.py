"""Name each folder that became a link to what is not watched: what was in it is not kept any more. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from pacha.errors import Concern
from pacha.files import paths
from pacha.files.entry import Entry, Kind
from pacha.store.snapshot import Changes, Snapshot
from pacha.text import escape


def moved_away(old: Mapping[bytes, Entry], new: Snapshot, changes: Changes) -> Iterator[Concern]:
    """A concern for each folder of ``old`` that had something in it, and in ``new`` is a link that leads elsewhere.

    ``changes`` are those from ``old`` to ``new``. Where it leads is not looked at: a server there may not answer.
    """
    for path in changes.content:
        target = new.entries[path].target
        if target is None or old[path].kind is not Kind.DIRECTORY:
            continue
        there = os.path.normpath(os.path.join(paths.parent(path), target))
        was_full = any(paths.is_within(gone, path) for gone in changes.removed)
        if was_full and not any(paths.is_within(there, watched.path) for watched in new.live):
            what = f"it was a folder and is a link to {escape(there)} now, which is not watched"
            yield Concern(path, f"{what}: what was in it is not kept any more (if it should be: pacha watch)")
