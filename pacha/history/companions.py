"""Read the texts beside a snapshot's pacha.db: what the host was besides its files."""

from __future__ import annotations

from functools import partial

from pacha.errors import UsageError
from pacha.files.names import DATABASE
from pacha.history.reader import History
from pacha.machine import facts
from pacha.machine.facts import Facts
from pacha.machine.packages import package_list
from pacha.machine.packages.package_list import PackageList
from pacha.store import companions, hg
from pacha.store.snapshot import Snapshot

_WHY = {
    companions.MACHINE: "an earlier Pacha made it",
    companions.PACKAGES: "an earlier Pacha made it, or the package manager there is none that Pacha knows",
}


def read_facts(history: History, revision: hg.Revision) -> Facts:
    """The facts of the machine in the snapshot ``revision``. Raises UsageError if it has none, DamagedError."""
    return facts.decode(_text(history, revision, companions.MACHINE))


def read_packages(history: History, revision: hg.Revision) -> PackageList:
    """The packages of the host in the snapshot ``revision``. Raises UsageError if it has none, DamagedError."""
    return package_list.decode(_text(history, revision, companions.PACKAGES))


def find_text(history: History, revision: hg.Revision, snapshot: Snapshot, name: str) -> bytes | None:
    """The text ``name`` beside ``snapshot``, which is that of ``revision``; None for none. Raises DamagedError."""
    return companions.read(name, snapshot.meta, partial(history.read, DATABASE, revision.node))


def _text(history: History, revision: hg.Revision, name: str) -> bytes:
    text = find_text(history, revision, history.snapshot(revision), name)
    if text is None:
        raise UsageError(
            f"The snapshot {revision.node[:12]} says nothing of its {name}.",
            _WHY[name],
            "Name a later one with --at, or push.",
            code="no-companion",
        )
    return text
