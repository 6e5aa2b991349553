"""List what a snapshot has at a path: a directory's entries, or the path itself."""

from __future__ import annotations

from collections.abc import Iterator

from pacha.files.entry import Entry, Kind
from pacha.files.paths import is_within, parent
from pacha.store.snapshot import Snapshot


def ls(snapshot: Snapshot, path: bytes = b"", *, recursive: bool = False) -> Iterator[Entry]:
    """Yield the entries of the directory ``path``, by path; b"" means the watched paths. Any other path is itself.

    With ``recursive``, all that is below as well.
    """
    roots = {watched.path for watched in snapshot.live}
    above = not path or any(is_within(root, path) and root != path for root in roots)
    entry = snapshot.entries.get(path)
    if entry is not None and entry.kind is not Kind.DIRECTORY:
        yield entry
        return
    for each in sorted(snapshot.entries):
        below = each in roots or recursive if above else parent(each) == path or recursive
        if below and each != path and is_within(each, path or b"/"):
            yield snapshot.entries[each]
