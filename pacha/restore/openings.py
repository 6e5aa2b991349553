"""A plain user's own directories that he may not write to (mode 0555): open while names in them change.

Root needs none of this. Before a rebuild opens one, its journal has the mode, so that an interrupted one can be undone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import Inode, inode_of
from pacha.restore.inode import is_closed_to_owner, open_inode
from pacha.restore.ownership import PRIVATE


class Openings:
    """Opens such directories, reached through ``tree``, and closes them again."""

    def __init__(self, tree: SafeDirectories) -> None:
        """Take the directories of the run."""
        self._tree = tree
        self._modes: dict[bytes, tuple[Inode, int]] = {}

    def closed(self, directories: Iterable[bytes]) -> list[bytes]:
        """Those of ``directories`` that must be opened; none for root."""
        return [path for path in directories if self._is_closed(path)] if os.geteuid() != 0 else []

    def open(self, path: bytes) -> None:
        """Let the owner write to the directory ``path``. Where that fails, what changes in it will say so."""
        try:
            with open_inode(b".", self._tree.enter(path)) as (reference, status):
                os.chmod(reference, stat.S_IMODE(status.st_mode) | PRIVATE)
                self._modes[path] = inode_of(status), stat.S_IMODE(status.st_mode)
        except OSError:
            pass

    def close(self, path: bytes) -> None:
        """Give ``path`` the mode back that it had, unless something changed it or its mode meanwhile."""
        inode, mode = self._modes.pop(path, (None, 0))
        if inode is None:
            return
        try:
            with open_inode(b".", self._tree.enter(path)) as (reference, status):
                if inode_of(status) == inode and stat.S_IMODE(status.st_mode) == mode | PRIVATE:
                    os.chmod(reference, mode)
        except OSError:
            pass  # moved meanwhile, or not ours any more

    def forget(self, path: bytes) -> None:
        """``path`` has its final mode."""
        self._modes.pop(path, None)

    def close_all(self) -> None:
        """Close what is still open, deepest first."""
        for path in sorted(self._modes, reverse=True):
            self.close(path)

    def _is_closed(self, path: bytes) -> bool:
        try:
            return is_closed_to_owner(os.fstat(self._tree.enter(path)))
        except OSError:
            return False
