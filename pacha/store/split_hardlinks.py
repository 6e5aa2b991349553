"""Say which hard links a selection splits: files in it with other names outside of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pacha.files.paths import is_within_any
from pacha.store.snapshot import Snapshot


def split_hardlinks(snapshot: Snapshot, chosen: Sequence[bytes]) -> frozenset[bytes]:
    """The files at or below ``chosen`` that have other names elsewhere in ``snapshot``."""
    elsewhere = {
        e.link_group for path, e in snapshot.entries.items() if e.link_group and not is_within_any(path, chosen)
    }
    return frozenset(p for p, e in snapshot.entries.items() if e.link_group in elsewhere and is_within_any(p, chosen))
