"""Prove that what a snapshot sealed can be opened, before the day on which it has to be."""

from __future__ import annotations

from dataclasses import dataclass

from pacha.errors import Concern, DamagedError, PurgedError
from pacha.history.reader import History
from pacha.sealing.age import SealIdentities


@dataclass(frozen=True, slots=True, kw_only=True)
class SealCheck:
    """The number of ``sealed`` files of the snapshot ``node``, and those that could not be opened."""

    node: str
    sealed: int
    concerns: tuple[Concern, ...]


def check(history: History, identities: SealIdentities, when: str = "") -> SealCheck:
    """Open everything sealed in the snapshot that ``when`` means, the newest for "", and keep nothing of it.

    Raises UsageError for no such snapshot, DamagedError where the snapshot itself is damaged.
    """
    revision = history.find(when)
    snapshot = history.snapshot(revision)
    opener = history.opener(revision, snapshot, identities)
    sealed = [entry for _, entry in sorted(snapshot.entries.items()) if entry.sealed is not None]
    concerns = []
    for entry in sealed:
        try:
            for _ in history.content(snapshot, entry, opener):
                pass
        except (DamagedError, PurgedError) as error:
            concerns.append(Concern(entry.path, error.why or error.message))
    return SealCheck(node=revision.node, sealed=len(sealed), concerns=tuple(concerns))
