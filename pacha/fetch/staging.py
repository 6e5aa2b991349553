"""Copy a host's history from a master into a staging directory, check all of it, unpack it.

Nothing that is fetched is used before it is checked: Mercurial's hashes, the sha256 of every file, every row of
pacha.db. A copy that was made during a push is inconsistent, and is fetched again.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pacha.config.signers import Signers, load_signers
from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.fetch import provenance, staging_dir
from pacha.fetch import snapshot as tip
from pacha.fetch.fetched import Fetched, opened_snapshot
from pacha.fetch.prefetch import Prefetcher
from pacha.fetch.provenance import Claim, Provenance
from pacha.fetch.retry import again
from pacha.fetch.spool import Spool
from pacha.fetch.unpack import Task
from pacha.fetch.worker import WorkerProcess, run_in_worker
from pacha.files import names
from pacha.files.entry import Kind
from pacha.host.context import Context
from pacha.sealing.age import SealIdentities
from pacha.sealing.opener import Opener
from pacha.store import hg, purges, revision, selection, untrusted_db
from pacha.store.companions import SEAL_KEYS
from pacha.store.selection import EVERYTHING, Selection
from pacha.store.snapshot import Snapshot, Watched
from pacha.store.split_hardlinks import split_hardlinks
from pacha.system import signals
from pacha.text import escape
from pacha.wire.master import CHANGELOG, HG_REQUIRES, STORE, Master, NoHost, check_index, digest_of
from pacha.wire.scp import Received, Totals

_SPARE = 64 << 20  #: bytes to leave free beside what is staged
_NONE = SealIdentities()


@dataclass(slots=True, kw_only=True)
class Staging:
    """A private folder for one fetch, removed with its content. Repositories of this machine are read in place.

    Fetched repositories are in it under their names; Pacha's other files begin with a dot, as no repository does.
    ``signers``: who may sign snapshots, None where nobody has to.
    """

    folder: Path
    context: Context
    host: str
    master: Master
    on_file: Callable[[Received], None]
    on_expected: Callable[[int], None] = lambda files: None  #: called with the approximate number of files to come
    on_database: Callable[[], None] = lambda: None  #: called when ``db`` is here, before the content
    files: int = 0
    size: int = 0
    cloned: set[str] = field(default_factory=set)  #: repositories that were cloned, not copied byte for byte
    spool: Spool = field(default_factory=Spool)
    signers: Signers | None = None
    provenance: Provenance = field(default_factory=Provenance)  #: of the snapshot that is being fetched
    tried: str = ""  #: the node of the snapshot that is being fetched
    identities: SealIdentities = field(default_factory=SealIdentities)  #: for what is sealed
    prefetcher: Prefetcher = field(init=False)

    def __post_init__(self) -> None:
        self.prefetcher = Prefetcher(self._copy)

    @classmethod
    def make(
        cls,
        context: Context,
        host: str,
        master: Master,
        on_file: Callable[[Received], None],
        on_expected: Callable[[int], None] = lambda files: None,
        worker: WorkerProcess | None = None,
        identities: SealIdentities = _NONE,
    ) -> Staging:
        """Make a new private folder; ``worker`` helps to unpack, ``identities`` open what is sealed.

        Raises ConfigError for a bad file of signers.
        """
        signers = load_signers(context.config.signers, context.config.signers_revoked)
        return cls(
            folder=staging_dir.create(context), context=context, host=host, master=master, signers=signers,
            on_file=on_file, on_expected=on_expected, spool=Spool(worker=worker), identities=identities,
        )  # fmt: skip

    def remove(self) -> None:
        """Remove the folder and everything in it, also if a signal ends the wait for copies under way."""
        try:
            self.prefetcher.stop(self.master.close)
            self.spool.close()
        finally:
            with signals.held():  # what was fetched is in the clear
                staging_dir.remove_leftovers(self.context, str(self.folder))

    def fetch(self, when: str = "", request: Selection = EVERYTHING, *, absent: bool = False) -> Fetched:
        """Fetch, check and unpack everything. See ``fetch.fetch``, which adds a memory limit and advice."""
        began = time.monotonic()
        snapshot, selected, note, companions = again(lambda: self._fetch_database(when))
        self.on_database()
        changelog = self.folder / CHANGELOG
        copied = changelog.exists() and names.DATABASE not in self.cloned
        digest = digest_of(bytes(changelog)) or "" if copied else ""
        roots = selection.roots(snapshot, request, absent=absent)
        split = split_hardlinks(snapshot, roots) if roots else frozenset[bytes]()
        snapshot = selection.select(snapshot, roots) if roots else snapshot
        self._move_if_full(sum(entry.size for entry in snapshot.entries.values()))
        self.on_expected(_files_to_come(snapshot))
        repositories = [watched for watched in snapshot.live if watched.node is not None]
        if self.master.local_path(names.DATABASE) is None:
            self.prefetcher.begin([watched.repository for watched in repositories])
        for watched in repositories:
            again(lambda watched=watched: self._fetch_content(watched, snapshot))  # type: ignore[misc]
        self._check_complete(snapshot)
        return Fetched(
            snapshot=opened_snapshot(snapshot, self.spool.opened), shut=dict(self.spool.shut),
            sealed={path: snapshot.entries[path] for path in self.spool.opened},
            seal_keys=self.spool.opener.keys, tip=selected.node, note=note, changelog=digest, files=self.files,
            size=self.size,
            seconds=time.monotonic() - began, companions=companions, newest=selected.newest, roots=roots,
            split_hardlinks=split, purged=self._purged(), provenance=self.provenance,
        )  # fmt: skip

    @property
    def database(self) -> Path:
        """pacha.db of the snapshot."""
        return self.folder / ".pacha.db"

    def path(self, name: str) -> str:
        """The path of the fetched repository ``name``."""
        return self.master.local_path(name) or str(self.folder / name)

    def repository(self, name: str) -> hg.Repository:
        """The fetched repository ``name``."""
        return hg.Repository.open(self.path(name), original=self.original(name))

    def original(self, name: str) -> str:
        """The path of the repository ``name`` on the master, for messages; "" where it is read in place."""
        if self.master.local_path(name) is not None:
            return ""
        return f"{escape(self.context.config.hosts_path)}/{self.host}/{name}"

    def _fetch_database(self, when: str) -> tuple[Snapshot, tip.SelectedSnapshot, revision.Note, Mapping[str, bytes]]:
        self.fetch_store(names.DATABASE)
        source = tip.FetchedDatabase(self.path(names.DATABASE), self.original(names.DATABASE), self.host)
        selected = run_in_worker(self.spool.worker, tip.find, source, when)
        self.tried = selected.node
        note = run_in_worker(self.spool.worker, tip.write, source, selected.node, str(self.database))
        self.provenance = self._provenance(source, selected.node, note)  # before its pacha.db is read
        snapshot = untrusted_db.read(str(self.database))
        companions = run_in_worker(self.spool.worker, tip.read_companions, source, selected.node, snapshot.meta)
        self.spool.opener = Opener.of(companions.get(SEAL_KEYS), self.identities)
        return snapshot, selected, note, companions

    def _provenance(self, source: tip.FetchedDatabase, node: str, note: revision.Note) -> Provenance:
        claim = self.claim(source, node, note)
        return provenance.claimed(claim) if self.signers is None else provenance.verify(claim, self.signers)

    def claim(self, source: tip.FetchedDatabase, node: str, note: revision.Note) -> Claim:
        """The claim of the snapshot ``node``, whose pacha.db is in ``database``. Raises DamagedError."""
        text, armored = run_in_worker(self.spool.worker, tip.read_signed, source, node)
        image = digest_of(bytes(self.database)) or ""
        return Claim(host=self.host, node=node, at=note.at, database=image, text=text, armored=armored)

    def _fetch_content(self, watched: Watched, snapshot: Snapshot) -> None:
        path, original = self.path(watched.repository), self.original(watched.repository)
        entries = snapshot.below(watched).values()
        task = self.spool.task(path, watched, entries, self.folder, original=original)
        try:
            self.fetch_store(watched.repository, task)
        except NoHost as error:
            raise DamagedError(
                f"The repository '{watched.repository}' is not on the master.",
                f"the newest snapshot of {escape(watched.path)} names it; {error.why or error.message}",
                "Nothing was changed. Look at the host's folder on the master.",
                subject=watched.repository,
                code="repository-missing",
            ) from None
        self.spool.add(task)

    def fetch_store(self, name: str, task: Task | None = None) -> None:
        """Copy the store of the repository ``name``. Clone it where its format is unknown.

        Files of ``task`` are unpacked meanwhile, as far as there is a worker.
        """
        if self.master.local_path(name) is not None:
            return
        totals = self._copied_and_unpacked(name, task) if task else self.prefetcher.wait_for(name, self.on_file)
        self.files, self.size = self.files + totals.files, self.size + totals.size
        folder = self.folder / name
        if _is_known(folder / STORE):
            # With share-safe the store itself names the format.
            (folder / HG_REQUIRES).write_bytes(b"share-safe\n")
            return
        shutil.rmtree(folder)
        self.cloned.add(name)
        self._clone(name)

    def _copied_and_unpacked(self, name: str, task: Task) -> Totals:
        with self.spool.arriving(task) as arrived:

            def received(file: Received) -> None:
                arrived(file.name)
                self.on_file(file)

            return self.prefetcher.wait_for(name, received)

    def _copy(self, name: str, on_file: Callable[[Received], None]) -> Totals:
        folder = self.folder / name
        if folder.exists():
            shutil.rmtree(folder)
        store = folder / STORE
        store.mkdir(mode=0o700, parents=True)

        def received(file: Received) -> None:
            check_index(file.name, file.size)
            on_file(file)

        inbox = os.open(store, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return self.master.fetch(self.host, name, inbox, received)
        finally:
            os.close(inbox)

    def _clone(self, name: str) -> None:
        clone = hg.Repository.open(str(self.folder / name), create=True)
        clone.accepts_purged = lambda name, node: True  # as in a store that is copied
        try:
            with self.master.serve(self.host, name) as remote, hg.open_peer(remote, name) as peer:
                peer.pull(clone, peer.heads())
        except (UnreachableError, DamagedError):
            raise
        except PachaError as error:
            raise DamagedError(
                f"The repository '{name}' on the master has a format that is not known here, and cannot be cloned.",
                f"{error.message} {error.why}".strip(),
                error.hint,
                code="repository-not-cloned",
            ) from None

    def _purged(self) -> dict[bytes, str]:
        """The purged paths, each with the reason."""
        record = self.purges() if self.spool.purged else ()
        return {path: purges.reason(path, record) for path in self.spool.purged}

    def purges(self) -> tuple[purges.Purge, ...]:
        """What was purged from the history, as far as the master says."""
        try:
            return purges.decode(self.master.purged(self.host) or b"")
        except PachaError:
            return ()

    def _check_complete(self, snapshot: Snapshot) -> None:
        for path, entry in snapshot.entries.items():
            absent = path not in self.spool.places and path not in self.spool.purged and path not in self.spool.shut
            if entry.kind is Kind.FILE and absent:
                raise DamagedError(
                    f"The content of {escape(path)} is in no repository.",
                    "the snapshot names no revision of it",
                    "Nothing was changed. Look at the master.",
                    code="content-missing",
                )

    def _move_if_full(self, size: int) -> None:
        """Move to the state folder if the content does not fit here."""
        needed, state = 2 * size + _SPARE, self.context.state
        if shutil.disk_usage(self.folder).free >= needed or state.is_read_only:
            return
        if shutil.disk_usage(state.path).free < needed:
            return
        state.update(staging_before=str(self.folder))
        roomier = staging_dir.make_in(self.context, str(state.path))
        if (self.folder / names.DATABASE).exists():
            shutil.move(self.folder / names.DATABASE, roomier)
        shutil.move(self.database, roomier)
        shutil.rmtree(self.folder)
        state.update(staging_before="")
        self.folder = roomier


def _files_to_come(snapshot: Snapshot) -> int:
    """The approximate number of files in the repositories: one for each file or link, and a few for each repository."""
    files = sum(entry.kind in (Kind.FILE, Kind.SYMLINK) for entry in snapshot.entries.values())
    return files + 5 * sum(watched.node is not None for watched in snapshot.live)


def _is_known(store: Path) -> bool:
    try:
        required = frozenset((store / "requires").read_bytes().split())
    except FileNotFoundError:
        return False
    return required <= revision.KNOWN_REQUIREMENTS
