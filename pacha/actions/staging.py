"""Fetching a host's history from a master into a private folder, checking all of it, unpacking it.

Nothing of what is fetched is believed before it is checked: Mercurial's hashes, the sha256 of every file,
every row of pacha.db. A copy that a push overtook does not add up, and is fetched again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pacha.actions.here import Here
from pacha.actions.reconcile import FILE
from pacha.errors import DamagedError, PachaError
from pacha.files import names
from pacha.files.metadata import Entry, Kind
from pacha.store import database, formats, hg
from pacha.store.snapshot import Snapshot, Watched
from pacha.wire.master import CHANGELOG, Master, NoHost
from pacha.wire.scp import Received

_TRIES = 6
_ALIKE = 3  #: so many times the same fault is none of a push that is at work
_CHUNK = 1 << 20
_SPARE = 64 << 20  #: bytes to leave free beside what is staged
_NAME = re.compile(r"pacha-[a-z0-9_]{8}\Z")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A snapshot that is wholly here and checked.

    ``tip``: its node in ``db``; ``changelog``: the sha256 (hex) of the fetched ``db``'s changelog; ``files``
    and ``size`` (bytes) count what came over the line in ``seconds``.
    """

    snapshot: Snapshot
    tip: str
    changelog: str
    files: int
    size: int
    seconds: float


@dataclass(slots=True)
class Staging:
    """A private folder for one rebuild; what is in it goes with it.

    The repositories lie there by their names; our own files begin with a dot, as no repository does.
    """

    folder: Path
    here: Here
    host: str
    master: Master
    on_file: Callable[[Received], None]
    files: int = 0
    size: int = 0
    places: dict[bytes, tuple[int, int]] = field(default_factory=dict)  #: path: (offset, bytes) in the spool
    spool: int = -1

    @classmethod
    def make(cls, here: Here, host: str, master: Master, on_file: Callable[[Received], None]) -> Staging:
        """A new folder, 0700, in ``$TMPDIR`` or /tmp; one that a killed run left behind is removed first."""
        sweep(here)
        staging = cls(Path(tempfile.mkdtemp(prefix="pacha-")), here, host, master, on_file)
        here.state.remember(staging=str(staging.folder))
        return staging

    def remove(self) -> None:
        """Remove the folder and everything in it."""
        if self.spool >= 0:
            os.close(self.spool)
            self.spool = -1
        sweep(self.here)

    def fetch(self) -> Fetched:
        """Fetch ``db``, then the repositories that its newest snapshot names; check and unpack all of it.

        Raises NoHost, UnreachableError, DamagedError (naming the file and the repository), PachaError.
        """
        began = time.monotonic()
        snapshot, tip = self._again(self._fetch_database)
        changelog = hashlib.sha256((self.folder / CHANGELOG).read_bytes()).hexdigest()
        self._settle_where(sum(entry.size for entry in snapshot.entries.values()))
        for watched in snapshot.live:
            if watched.node is not None:
                self._again(lambda watched=watched: self._fetch_content(watched, snapshot))  # type: ignore[misc]
        self._check_complete(snapshot)
        return Fetched(snapshot, tip, changelog, self.files, self.size, time.monotonic() - began)

    @property
    def database(self) -> Path:
        """pacha.db of the snapshot."""
        return self.folder / ".pacha.db"

    def repository(self, name: str) -> hg.Repository:
        """The fetched repository ``name``."""
        return hg.Repository.open(str(self.folder / name))

    def content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of a file of the snapshot, in chunks. ``entry.path`` is the recorded path."""
        offset, size = self.places[entry.path]
        end = offset + size
        while offset < end:
            chunk = os.pread(self.spool, min(_CHUNK, end - offset), offset)
            if not chunk:
                raise PachaError(f"{names.shown(entry.path)} cannot be read back.", "the staging folder is cut short")
            offset += len(chunk)
            yield chunk

    def bytes_of(self, path: bytes) -> bytes:
        """The whole of a (small) file of the snapshot."""
        offset, size = self.places[path]
        return os.pread(self.spool, size, offset)

    def _again(self, fetch: Callable[[], _T]) -> _T:
        """Try again while it does not add up: a push may be at work. The same fault again and again is damage."""
        faults: list[str] = []
        while True:
            try:
                return fetch()
            except DamagedError as error:
                faults.append(f"{error.message} {error.why}")
                if len(faults) == _TRIES or faults[-_ALIKE:] == [faults[-1]] * _ALIKE:
                    raise
                time.sleep(0.1 * len(faults))

    def _fetch_database(self) -> tuple[Snapshot, str]:
        repository = self._fetch_store(names.DATABASE)
        tip = next(repository.revisions(), None)
        if tip is None:
            raise DamagedError(
                f"The master's history of '{self.host}' is empty.", "its db has no revision", "Has it ever pushed?"
            )
        self.database.unlink(missing_ok=True)
        with open(os.open(self.database, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(repository.reader(tip)(FILE))
        return database.read_foreign(str(self.database)), tip

    def _fetch_content(self, watched: Watched, snapshot: Snapshot) -> None:
        try:
            repository = self._fetch_store(watched.repository)
        except NoHost as error:
            raise DamagedError(
                f"The repository '{watched.repository}' is not on the master.",
                f"the newest snapshot of {names.shown(watched.path)} names it; {error.why or error.message}",
                "Nothing was changed. Look at the host's folder on the master.",
            ) from None
        node = watched.node or hg.NULL
        if not repository.has(node):
            raise DamagedError(
                f"The repository '{watched.repository}' on the master lacks revision {node[:12]}.",
                f"the newest snapshot of {names.shown(watched.path)} names it",
                "Nothing was changed. Look at the repository on the master with 'hg verify'.",
            )
        self._unpack(repository.reader(node), watched, snapshot.below(watched).values())

    def _fetch_store(self, name: str) -> hg.Repository:
        """Copy the store of the repository ``name``; by Mercurial's own protocol where its format is not known."""
        folder = self.folder / name
        if folder.exists():
            shutil.rmtree(folder)
        store = folder / ".hg" / "store"
        store.mkdir(mode=0o700, parents=True)
        inbox = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            totals = self.master.fetch(self.host, name, inbox, self.on_file)
        finally:
            os.close(inbox)
        self.files, self.size = self.files + totals.files, self.size + totals.size
        if _is_known(store):
            # The format stands in the store (share-safe); what is written here names nothing but that.
            (folder / ".hg" / "requires").write_bytes(b"share-safe\n")
            return self.repository(name)
        shutil.rmtree(folder)
        made = hg.Repository.open(str(folder), create=True)
        with self.master.serve(self.host, name) as remote, hg.peer(remote, name) as peer:
            peer.pull(made, peer.heads())
        return made

    def _unpack(self, read: Callable[[bytes], bytes], watched: Watched, entries: Iterable[Entry]) -> None:
        """Check every file against its sha256 and append it to the spool."""
        if self.spool < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            self.spool = os.open(self.folder / ".content", flags, 0o600)
        end = os.lseek(self.spool, 0, os.SEEK_END)
        with hg.lean(), open(os.dup(self.spool), "ab", buffering=_CHUNK) as spool:
            for entry in entries:
                if entry.kind is Kind.FILE:
                    size = self._unpack_one(read, watched, entry, spool.write)
                    self.places[entry.path] = (end, size)
                    end += size

    def _unpack_one(
        self, read: Callable[[bytes], bytes], watched: Watched, entry: Entry, write: Callable[[bytes], object]
    ) -> int:
        sha, size, stored = hashlib.sha256(), 0, entry.stored or b""
        for name in [names.part(stored, n) for n in range(entry.parts)] if entry.parts else [stored]:
            data = read(name)
            sha.update(data)
            size += len(data)
            write(data)
        if sha.digest() != entry.sha256 or size != entry.size:
            raise DamagedError(
                f"{names.shown(entry.path)} is not as it was pushed.",
                f"its sha256 in the repository '{watched.repository}' is another than the snapshot names",
                "Nothing was changed. Look at the repository on the master with 'hg verify'.",
            )
        return size

    def _check_complete(self, snapshot: Snapshot) -> None:
        for path, entry in snapshot.entries.items():
            if entry.kind is Kind.FILE and path not in self.places:
                raise DamagedError(
                    f"The content of {names.shown(path)} is in no repository.",
                    "the snapshot names no revision of it",
                    "Nothing was changed. Look at the master.",
                )

    def _settle_where(self, size: int) -> None:
        """Move to the state folder if what is to come would not fit where we are."""
        needed = 2 * size + _SPARE
        if _free(self.folder) >= needed or _free(self.here.state.path) < needed:
            return
        roomier = Path(tempfile.mkdtemp(prefix="pacha-", dir=self.here.state.path))
        self.here.state.remember(staging=str(roomier), staging_before=str(self.folder))
        shutil.move(self.folder / names.DATABASE, roomier)
        shutil.move(self.database, roomier)
        shutil.rmtree(self.folder)
        self.here.state.remember(staging_before=None)
        self.folder = roomier


def sweep(here: Here) -> None:
    """Remove the staging folder that this machine remembers, if it is there and ours."""
    memory = here.state.memory()
    for key in ("staging", "staging_before"):
        folder = memory.get(key)
        if not isinstance(folder, str):
            continue
        if _NAME.match(os.path.basename(folder)) and _is_ours(folder):
            shutil.rmtree(folder, ignore_errors=True)
        here.state.remember(**{key: None})


def _is_ours(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _is_known(store: Path) -> bool:
    try:
        required = frozenset((store / "requires").read_bytes().split())
    except FileNotFoundError:
        return False
    return required <= formats.KNOWN_REQUIREMENTS


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
