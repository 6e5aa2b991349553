"""After damage, find the newest older snapshot that is intact, and suggest it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import dropwhile, islice

from pacha.errors import DamagedError, PachaError, PurgedError, UnreachableError
from pacha.fetch.provenance import Claim, verify
from pacha.fetch.staging import Staging
from pacha.fetch.unpack import content_names
from pacha.files import names
from pacha.files.entry import Entry, Kind
from pacha.store import hg, statement, untrusted_db
from pacha.store.snapshot import Watched
from pacha.system.atomic import write_private
from pacha.system.signed_text import digest
from pacha.wire.master import HG_REQUIRES

_SECONDS = 60.0


class _Late(Exception):
    """The time limit has passed."""


def suggest_older_snapshot(
    staging: Staging, error: DamagedError, options: str = "", seconds: float = _SECONDS
) -> DamagedError:
    """``error`` with a hint that suggests the newest intact snapshot before the one just tried, if there is one.

    The suggested command repeats ``options``, which begin with a blank. Searches for about ``seconds`` at most. Raises
    nothing.
    """
    if not staging.tried:
        return error  # the list of snapshots itself cannot be read
    try:
        node = _Search(staging, time.monotonic() + seconds).newest()
        command = f"pacha rebuild {staging.host} --at {node[:12]}{options}" if node else ""
        offer = f"The newest snapshot that is whole: {command}" if node else "No older snapshot is whole."
        offer += " '--from MASTER' takes it from there." if staging.master.local_path(names.DATABASE) else ""
    except _Late:
        offer = f"None that is whole was found in {seconds:g} seconds; 'hg log' of db on the master lists the others."
    except (PachaError, MemoryError):
        return error  # the list cannot be read, or the connection is lost
    return error.with_advice(offer)


@dataclass
class _Search:
    staging: Staging
    deadline: float
    #: sha256 and size of the content read already, by repository, stored names and their revisions
    read: dict[tuple[str, tuple[tuple[bytes, bytes], ...]], tuple[bytes, int]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)  #: repositories that cannot be fetched

    def newest(self) -> str | None:
        """The node of the newest intact snapshot before the one that was tried, None for none."""
        every = self.staging.repository(names.DATABASE).revisions()
        older = islice(dropwhile(lambda node: node != self.staging.tried, every), 1, None)
        return next((node for node in older if self._is_intact(node)), None)

    def _is_intact(self, node: str) -> bool:
        try:
            snapshot = untrusted_db.read(self._write(node))
            return all(self._is_there(watched, snapshot.below(watched).values()) for watched in snapshot.live)
        except DamagedError:
            return False

    def _write(self, node: str) -> str:
        self._check_time()
        path, repository = self.staging.folder / ".older.db", self.staging.repository(names.DATABASE)
        read = repository.reader(node)
        image = read(names.PACHA_DB)
        if self.staging.signers is not None:
            text, armored = statement.read(read)
            claim = Claim(
                host=self.staging.host, node=node, at=repository.note(node).at, database=digest(image), text=text,
                armored=armored,
            )  # fmt: skip
            verify(claim, self.staging.signers)
        write_private(path, image)
        return str(path)

    def _is_there(self, watched: Watched, entries: Iterable[Entry]) -> bool:
        files = [entry for entry in entries if entry.kind is Kind.FILE]
        if watched.node is None:
            return not files
        repository = self._repository(watched.repository)
        if repository is None or not repository.has(watched.node):
            return False
        revisions, read = repository.names(watched.node), repository.reader(watched.node)
        return all(self._is_as_recorded(watched.repository, entry, revisions, read) for entry in files)

    def _repository(self, name: str) -> hg.Repository | None:
        """The fetched repository, fetched now if it was not yet; None if that fails."""
        if name in self.lost:
            return None
        try:
            if not (self.staging.folder / name / HG_REQUIRES).exists():
                self.staging.fetch_store(name)
            return self.staging.repository(name)
        except UnreachableError:
            raise
        except PachaError:
            self.lost.add(name)
            return None

    def _is_as_recorded(
        self, repository: str, entry: Entry, revisions: Mapping[bytes, bytes], read: Callable[[bytes], bytes]
    ) -> bool:
        self._check_time()
        stored = content_names(entry)
        if not all(name in revisions for name in stored):
            return False
        key = (repository, tuple((name, revisions[name]) for name in stored))
        if key not in self.read:
            try:
                self.read[key] = _digest(stored, read)
            except PurgedError:
                return True  # it was erased on purpose
        sha, size = self.read[key]
        if entry.sealed is not None:
            return sha == entry.sealed[: len(sha)]
        return (sha, size) == (entry.sha256, entry.size)

    def _check_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise _Late


def _digest(stored: Iterable[bytes], read: Callable[[bytes], bytes]) -> tuple[bytes, int]:
    """The sha256 and the size of the content under the ``stored`` names."""
    sha, size = hashlib.sha256(), 0
    for name in stored:
        data = read(name)
        sha.update(data)
        size += len(data)
    return sha.digest(), size
