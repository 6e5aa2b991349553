"""Rehearse a rebuild: into a scratch folder, then compare it with what was recorded.

Whoever does it is a plain user: owners, devices and what only root may set are not part of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pacha.errors import DamagedError
from pacha.files import content
from pacha.files.dirfd import DirectoryFds
from pacha.files.metadata import Entry, Kind
from pacha.files.owners import Accounts
from pacha.host.context import Context
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.rebuild import rebuild
from pacha.store.snapshot import Snapshot
from pacha.text import escape

_ROOTS_ALONE = (Kind.CHARACTER, Kind.BLOCK)


def rehearse(context: Context, host: str, snapshot: Snapshot, target: Path) -> list[str]:
    """Rebuild ``host`` below ``target`` and return what is not as in ``snapshot``: lines, safe to print."""
    rebuilt = rebuild(context, host, RebuildOptions(target=os.fsencode(target)))
    if rebuilt.fetched.snapshot != snapshot:
        snapshot = rebuilt.fetched.snapshot  # it has pushed meanwhile
    accounts, faults = Accounts.of_machine(), []
    with DirectoryFds(os.fsencode(target)) as descent:
        for path, entry in sorted(snapshot.entries.items()):
            if entry.kind not in _ROOTS_ALONE and (why := _differs(descent, entry, accounts)):
                faults.append(f"{escape(path)} came back otherwise: {why}")
    return faults


def _differs(descent: DirectoryFds, entry: Entry, accounts: Accounts) -> str:
    """In words what is not as recorded of what anybody can restore: kind, content, target, time."""
    try:
        directory, name = descent.parent(entry.path.lstrip(b"/"))
        _let_read(directory, name)
        found = content.observe_and_hash(name, directory, entry.path, accounts)
    except (OSError, DamagedError) as error:
        return getattr(error, "strerror", "") or str(error)
    if found.kind is not entry.kind:
        return f"it is of type {found.kind.value}, not {entry.kind.value}"
    names = ("size", "sha256", "target", "mtime_ns")
    return ", ".join(name for name in names if getattr(found, name) != getattr(entry, name))


def _let_read(directory: int, name: bytes) -> None:
    """Open to ourselves what was recorded as closed to its owner: it is a copy."""
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode):
        os.chmod(name, stat.S_IMODE(found.st_mode) | 0o700, dir_fd=directory)
