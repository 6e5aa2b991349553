"""The history in a host's folder on this master: its repositories, its snapshots and what each of them watched.

Runs as the account that owns the folder, whose content the host may have forged.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pacha.errors import DamagedError, PachaError
from pacha.files.names import DATABASE, PACHA_DB
from pacha.server.host_directory import HostDirectory
from pacha.store import hg, untrusted_db
from pacha.store.history import list_snapshots
from pacha.store.revision import KNOWN_REQUIREMENTS
from pacha.store.revspec import SnapshotRef
from pacha.store.snapshot import Watched
from pacha.system.atomic import write_private
from pacha.wire.master import NoRepository


@dataclass(frozen=True)
class HostHistory:
    """The repositories and snapshots in a host's folder."""

    folder: HostDirectory
    known: Mapping[str, tuple[Watched, ...]] = field(default_factory=dict)  #: ``watched``, if it was read before
    _opened: dict[str, hg.Repository | None] = field(default_factory=dict)

    def repository(self, name: str) -> hg.Repository | None:
        """The repository ``name``, None where there is none. Raises DamagedError, PachaError."""
        if name not in self._opened:
            try:
                self._opened[name] = hg.Repository.open(self.folder.repository(name, KNOWN_REQUIREMENTS))
            except NoRepository:
                self._opened[name] = None
        return self._opened[name]

    @cached_property
    def database(self) -> hg.Repository:
        """The repository of the snapshots. Raises PachaError where there is none."""
        if repository := self.repository(DATABASE):
            return repository
        raise self._empty()

    def _empty(self) -> PachaError:
        return PachaError(
            f"There is no snapshot of '{self.folder.host}' here.", "", "Look at its name: pacha hosts",
            code="nothing-to-purge-from",
        )  # fmt: skip

    @cached_property
    def snapshots(self) -> list[SnapshotRef]:
        """Every snapshot, newest first. Raises PachaError where there is none."""
        if found := list_snapshots(self.database):
            return found
        raise self._empty()

    @cached_property
    def watched(self) -> dict[str, tuple[Watched, ...]]:
        """The watched paths of each readable snapshot, by node."""
        by_node = dict[str, tuple[Watched, ...]]()
        usual = tempfile.gettempdir()
        roomy = usual if os.access(usual, os.W_OK | os.X_OK) else "/tmp"  # noqa: S108 (a private folder in it)
        with tempfile.TemporaryDirectory(dir=roomy) as folder:
            image = Path(folder, "pacha.db")
            for snapshot in self.snapshots:
                if snapshot.node in self.known:
                    by_node[snapshot.node] = self.known[snapshot.node]
                    continue
                try:
                    write_private(image, self.database.reader(snapshot.node)(PACHA_DB))
                    by_node[snapshot.node] = untrusted_db.read(str(image), whole=False).watched
                except DamagedError:
                    continue
        return by_node

    @cached_property
    def by_repository(self) -> dict[str, Watched]:
        """The watched path of each repository, as the newest snapshot that has it says."""
        by_name = dict[str, Watched]()
        for watched in self.watched.values():
            for each in watched:
                by_name.setdefault(each.repository, each)
        return by_name
