"""The result of a fetch: a snapshot that is complete and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pacha.fetch.provenance import Provenance
from pacha.files.entry import Entry
from pacha.sealing.keys import SealKey
from pacha.sealing.opener import Opened
from pacha.store import revision
from pacha.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A snapshot that is complete and checked.

    ``tip``: its node in ``db``; ``note``: that revision's note; ``changelog``: the sha256 (hex) of the changelog of the
    master's ``db``, "" if it was not copied; ``files`` and ``size`` (bytes) were transferred in ``seconds``;
    ``companions``: the texts beside its pacha.db, by name; ``purged``: why the content of a path was erased from the
    history; ``newest``: it is the newest one; ``roots``: the selected paths, () for all; ``split_hardlinks``: selected
    paths that have other names outside; ``provenance``: who signed it. ``snapshot`` has the opened entries as they were
    on the host, ``sealed`` has them as they are recorded; ``shut``: why others stay sealed; ``seal_keys``: the keys
    that were opened.
    """

    snapshot: Snapshot
    tip: str
    note: revision.Note
    changelog: str
    files: int
    size: int
    seconds: float
    companions: Mapping[str, bytes] = field(default_factory=dict)
    purged: Mapping[bytes, str] = field(default_factory=dict)
    newest: bool = True
    roots: tuple[bytes, ...] = ()
    split_hardlinks: frozenset[bytes] = frozenset()
    provenance: Provenance = field(default_factory=Provenance)
    sealed: Mapping[bytes, Entry] = field(default_factory=dict)
    shut: Mapping[bytes, str] = field(default_factory=dict)
    seal_keys: Mapping[bytes, SealKey] = field(default_factory=dict)

    @property
    def recorded(self) -> Snapshot:
        """The snapshot as it is recorded, with all that was opened sealed again."""
        return replace(self.snapshot, entries={**self.snapshot.entries, **self.sealed})


def opened_snapshot(snapshot: Snapshot, opened: Mapping[bytes, Opened]) -> Snapshot:
    """``snapshot`` with the entries of what was ``opened`` as they were on the host."""
    if not opened:
        return snapshot
    entries = dict(snapshot.entries)
    for path, content in opened.items():
        xattrs = tuple(sorted((*entries[path].xattrs, *content.attributes)))
        entries[path] = entries[path]._replace(sha256=content.sha256, xattrs=xattrs, sealed=None)
    return replace(snapshot, entries=entries)
