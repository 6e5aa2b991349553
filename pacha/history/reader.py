"""Read the snapshots of a host, and the files in them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

from pacha.errors import DamagedError, PurgedError, SealedError
from pacha.fetch.unpack import content_names
from pacha.files.entry import Entry
from pacha.files.names import DATABASE, PACHA_DB
from pacha.history.lookup import watched_of
from pacha.sealing.age import SealIdentities
from pacha.sealing.opener import Mismatch, Opener, Shut, check_stored
from pacha.store import companions, hg, history, purges
from pacha.store.purges import Purge
from pacha.store.revspec import SnapshotRef, resolve
from pacha.store.rows import Row
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import escape

_OPENS_NOTHING = Opener()
#: Returns a repository by its name; it has the node (40 hex digits, "" for any).
Open: TypeAlias = "Callable[[str, str], hg.Repository]"


@dataclass(slots=True, kw_only=True)
class History:
    """The snapshots of ``host``, newest first. ``own``: the host is this machine, so its disk can be compared.

    ``entries`` has the error in place of an unreadable snapshot, so that the others stay usable.
    """

    host: str
    own: bool
    entries: dict[str, hg.Revision | DamagedError]
    _open: Open
    _folder: Path
    purges: Callable[[], tuple[Purge, ...]] = tuple  #: what was purged from it, as far as is recorded
    _readers: dict[tuple[str, str], Callable[[bytes], bytes]] = field(default_factory=dict)
    _known: dict[Row, Entry] = field(default_factory=dict)

    def find(self, when: str) -> hg.Revision:
        """The snapshot that ``when`` means; the newest for "". Raises UsageError."""
        references = [
            SnapshotRef(node, None if isinstance(revision, DamagedError) else revision.note.at)
            for node, revision in self.entries.items()
        ]
        return self._readable(resolve(when, references, time.time()).node if when else references[0].node)

    def before(self, revision: hg.Revision) -> hg.Revision | None:
        """The snapshot before ``revision``; None for the first. Raises DamagedError."""
        nodes = list(self.entries)
        index = nodes.index(revision.node) + 1
        return self._readable(nodes[index]) if index < len(nodes) else None

    @property
    def revisions(self) -> Iterator[hg.Revision]:
        """The readable snapshots."""
        return (revision for revision in self.entries.values() if not isinstance(revision, DamagedError))

    @property
    def unreadable(self) -> Iterator[tuple[str, DamagedError]]:
        """The unreadable snapshots: their nodes and errors."""
        return ((node, fault) for node, fault in self.entries.items() if isinstance(fault, DamagedError))

    def spoil(self, node: str, error: DamagedError) -> None:
        """Record that the snapshot ``node`` is unreadable."""
        self.entries[node] = error

    def _readable(self, tip: str) -> hg.Revision:
        entry = self.entries[tip]
        if isinstance(entry, DamagedError):
            raise self._unreadable(tip, entry)
        return entry

    def _unreadable(self, tip: str, error: DamagedError) -> DamagedError:
        return DamagedError(
            f"The snapshot {tip[:12]} of '{self.host}' cannot be read.",
            error.in_a_line,
            "Name another: pacha log",
            code="named-snapshot-unreadable",
        )

    def snapshot(self, revision: hg.Revision) -> Snapshot:
        """The whole snapshot, checked. Raises DamagedError."""
        return self._parsed(revision, whole=True)

    def watched(self, revision: hg.Revision) -> tuple[Watched, ...]:
        """What the snapshot watches, which is read much faster than the whole. Raises DamagedError."""
        return self._parsed(revision, whole=False).watched

    def _parsed(self, revision: hg.Revision, *, whole: bool) -> Snapshot:
        try:
            image = self.read(DATABASE, revision.node, PACHA_DB)
            return history.parse(image, self._folder, self._known, whole=whole)
        except DamagedError as error:
            if error.code == "snapshot-too-new":
                raise
            raise self._unreadable(revision.node, error) from None

    def read(self, repository: str, node: str, name: bytes) -> bytes:
        """What ``repository`` holds under a stored name. Raises DamagedError."""
        return self._reader(repository, node)(name)

    def content(self, snapshot: Snapshot, entry: Entry, opener: Opener = _OPENS_NOTHING) -> Iterator[bytes]:
        """The bytes of a file of ``snapshot``, in chunks; ``opener`` opens it if it is sealed.

        Raises SealedError, and DamagedError, for a wrong sha256 only after the last chunk.
        """
        watched = watched_of(snapshot, entry)
        if entry.sealed is not None:
            yield from self._unsealed(watched, entry, opener)
            return
        read = self._reader(watched.repository, watched.node or hg.NULL)
        sha = hashlib.sha256()
        for name in content_names(entry):
            try:
                data = read(name)
            except PurgedError as error:
                raise self._purged(entry, error) from None
            sha.update(data)
            yield data
        if sha.digest() != entry.sha256:
            raise _damaged(
                entry, f"its sha256 in the repository '{watched.repository}' is another than the snapshot names"
            )

    def _unsealed(self, watched: Watched, entry: Entry, opener: Opener) -> Iterator[bytes]:
        read, sealed = self._reader(watched.repository, watched.node or hg.NULL), entry.sealed or b""
        try:
            check_stored(map(read, content_names(entry)), sealed)
            opening = opener.begin(entry.path, sealed)
            for name in content_names(entry):
                yield opening.open(read(name))
            opening.finish(entry.sha256 or b"")
        except PurgedError as error:
            raise self._purged(entry, error) from None
        except Shut as error:
            raise SealedError(
                f"{escape(entry.path)} is sealed.",
                str(error),
                "Give one that opens it: --identity FILE, of pacha cat or pacha rebuild",
                code="content-sealed",
            ) from None
        except Mismatch as error:
            raise _damaged(entry, f"what is sealed in the repository '{watched.repository}': {error}") from None

    def opener(self, revision: hg.Revision, snapshot: Snapshot, identities: SealIdentities) -> Opener:
        """What opens the sealed files of ``snapshot``, that of ``revision``. Raises DamagedError."""
        if not identities:
            return _OPENS_NOTHING
        text = companions.read(companions.SEAL_KEYS, snapshot.meta, partial(self.read, DATABASE, revision.node))
        return Opener.of(text, identities)

    def _purged(self, entry: Entry, error: PurgedError) -> PurgedError:
        """``error`` with the path, and with what is recorded of it."""
        name, why = entry.path, purges.reason(entry.path, self.purges())
        return PurgedError(f"{escape(name)} has no content any more.", why, error.hint, code="content-purged")

    def repository(self, name: str, node: str) -> hg.Repository:
        """The repository ``name``, which has ``node``. Raises DamagedError."""
        return self._open(name, node)

    def _reader(self, repository: str, node: str) -> Callable[[bytes], bytes]:
        reader = self._readers.get((repository, node))
        if reader is None:
            reader = self._readers[repository, node] = self.repository(repository, node).reader(node)
        return reader


def _damaged(entry: Entry, why: str) -> DamagedError:
    return DamagedError(
        f"{escape(entry.path)} is not as it was pushed.",
        why,
        "Look at the repository with 'hg verify'.",
        code="content-damaged",
    )
