"""Show what undoing a rebuild would do now, path by path. Reads only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pacha.files import paths
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import Inode, inode_of
from pacha.restore.inode import explain
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Altered, Created, Displaced
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.undo import Undoing, inode_at, resumed
from pacha.system.presence import ABSENT

_NOT_KEPT = "what was there is no longer kept"


@dataclass(frozen=True, slots=True)
class UndoStep:
    """One path: ``what`` an undo would do ("remove", "put back", "metadata" or "leave"), and the reason to leave it."""

    path: bytes
    what: str
    reason: str = ""


def preview(journal: Journal) -> tuple[UndoStep, ...]:
    """Return what ``undo(journal)`` would do, sorted by path. A path may occur once for each resumed rebuild."""
    steps: list[UndoStep] = []
    for each in [journal, *resumed(journal)]:
        with SafeDirectories(each.roots) as tree:
            steps += _Preview(Undoing(each, tree, OutcomeBuilder())).all()
        if each is not journal:
            each.close()
    return tuple(sorted(steps, key=lambda step: step.path))


@dataclass(frozen=True, slots=True)
class _Preview:
    undoing: Undoing

    def all(self) -> Iterator[UndoStep]:
        undoing = self.undoing
        checks: list[tuple[bytes, Callable[[], UndoStep | None]]] = [
            *((record.path, partial(self._created, record)) for record in undoing.new()),
            *((record.path, partial(self._displaced, record)) for record in undoing.displaced()),
            *((record.path, partial(self._altered, record)) for record in undoing.altered()),
        ]
        for path, check in checks:
            try:
                step = check()
            except ABSENT:
                continue
            except OSError as error:
                step = UndoStep(path, "leave", explain(error))
            if step is not None:
                yield step

    def _status(self, path: bytes) -> os.stat_result:
        dir_fd = self.undoing.tree.enter(paths.parent(path))
        return os.stat(paths.name(path), dir_fd=dir_fd, follow_symlinks=False)

    def _created(self, record: Created) -> UndoStep:
        if self.undoing.is_ours(record, self._status(record.path)):
            return UndoStep(record.path, "remove")
        return UndoStep(record.path, "leave", "changed since the rebuild")

    def _displaced(self, record: Displaced) -> UndoStep | None:
        current, kept = self._inode(record.path), self._inode(record.kept)
        if current is not None and current in (record.old, kept):
            return None  # it is back already
        if record.temporary is not None and kept is None:
            kept = self._inode(paths.parent(record.path) + b"/" + record.temporary)
            kept = kept if kept == record.old else None
        return UndoStep(record.path, "put back") if kept else UndoStep(record.path, "leave", _NOT_KEPT)

    def _inode(self, path: bytes) -> Inode | None:
        try:
            return inode_at(paths.name(path), self.undoing.tree.enter(paths.parent(path)))
        except ABSENT:
            return None

    def _altered(self, record: Altered) -> UndoStep:
        if inode_of(self._status(record.path)) == record.old:
            return UndoStep(record.path, "metadata")
        return UndoStep(record.path, "leave", "replaced since the rebuild")
