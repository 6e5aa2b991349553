"""Open a plain user's own read-only directories (mode 0555) while names in them change, and close them again.

Root needs none of this. A rebuild journals the mode of each before it opens it, so that an undo can set it again.
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
    """The directories that are open, reached through ``tree``."""

    def __init__(self, tree: SafeDirectories) -> None:
        self._tree = tree
        self._modes: dict[bytes, tuple[Inode, int]] = {}

    def closed(self, directories: Iterable[bytes]) -> list[bytes]:
        """Return those of ``directories`` that must be opened; none for root."""
        return [path for path in directories if self._is_closed(path)] if os.geteuid() != 0 else []

    def open(self, path: bytes) -> None:
        """Let the owner write to the directory ``path``. If that fails, the changes in it will fail and be reported."""
        try:
            with open_inode(b".", self._tree.enter(path)) as (reference, status):
                os.chmod(reference, stat.S_IMODE(status.st_mode) | PRIVATE)
                self._modes[path] = inode_of(status), stat.S_IMODE(status.st_mode)
        except OSError:
            pass

    def close(self, path: bytes) -> None:
        """Set the mode of ``path`` as it was before, unless the directory or its mode was changed meanwhile."""
        inode, mode = self._modes.pop(path, (None, 0))
        if inode is None:
            return
        try:
            with open_inode(b".", self._tree.enter(path)) as (reference, status):
                if inode_of(status) == inode and stat.S_IMODE(status.st_mode) == mode | PRIVATE:
                    os.chmod(reference, mode)
        except OSError:
            pass  # moved meanwhile, or another user's by now

    def forget(self, path: bytes) -> None:
        """Do not close ``path``: it has its final mode already."""
        self._modes.pop(path, None)

    def close_all(self) -> None:
        """Close all directories that are still open, deepest first."""
        for path in sorted(self._modes, reverse=True):
            self.close(path)

    def _is_closed(self, path: bytes) -> bool:
        try:
            return is_closed_to_owner(os.fstat(self._tree.enter(path)))
        except OSError:
            return False
