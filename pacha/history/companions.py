"""Read the texts beside a snapshot's pacha.db: what the host was besides its files."""

from __future__ import annotations

from functools import partial

from pacha.errors import UsageError
from pacha.files.names import DATABASE
from pacha.history.reader import History
from pacha.machine import facts
from pacha.machine.facts import Facts
from pacha.store import companions, hg


def read_facts(history: History, revision: hg.Revision) -> Facts:
    """What the machine was in the snapshot ``revision``. Raises UsageError where it does not say, DamagedError."""
    return facts.decode(_text(history, revision, companions.MACHINE))


def _text(history: History, revision: hg.Revision, name: str) -> bytes:
    recorded = history.snapshot(revision).meta
    text = companions.read(name, recorded, partial(history.read, DATABASE, revision.node))
    if text is None:
        raise UsageError(
            f"The snapshot {revision.node[:12]} says nothing of its machine.",
            "an earlier Pacha made it",
            "Name a later one with --at, or push.",
            code="no-companion",
        )
    return text
