"""Rehearse a rebuild: restore into a scratch folder, and compare the result with the snapshot.

This runs as a plain user. So owners, devices and everything else that only root may set are left out.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pacha.errors import DamagedError
from pacha.files import content
from pacha.files.dirfd import DirectoryFds
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.host.context import Context
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.rebuild import rebuild
from pacha.rebuild.result import Reporter
from pacha.store.snapshot import Snapshot
from pacha.system import activity
from pacha.text import escape

_ROOTS_ALONE = (Kind.CHARACTER, Kind.BLOCK)


def rehearse(context: Context, host: str, snapshot: Snapshot, target: Path) -> list[str]:
    """Rebuild ``host`` below ``target``; returns the differences from ``snapshot`` as lines, safe to print."""
    counting = Reporter(on_file=lambda received: activity.advance(1), on_step=lambda step: activity.advance(1))
    rebuilt = rebuild(context, host, RebuildOptions(target=os.fsencode(target)), counting)
    if rebuilt.fetched.snapshot != snapshot:
        snapshot = rebuilt.fetched.snapshot  # the host has pushed meanwhile
    accounts, faults = Accounts.of_machine(), []
    with DirectoryFds(os.fsencode(target)) as descent:
        for path, entry in sorted(snapshot.entries.items()):
            activity.advance(1)
            if path in rebuilt.fetched.purged or path in rebuilt.fetched.shut:
                continue
            if entry.kind not in _ROOTS_ALONE and (why := _differs(descent, entry, accounts)):
                faults.append(f"{escape(path)} came back otherwise: {why}")
    return faults


def _differs(descent: DirectoryFds, entry: Entry, accounts: Accounts) -> str:
    """The difference in kind, content, link target or time, as text, "" for none."""
    try:
        directory, name = descent.parent(entry.path.lstrip(b"/"))
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):  # its owner may read it, whatever its mode was
            os.chmod(name, stat.S_IMODE(status.st_mode) | 0o700, dir_fd=directory)
        actual = content.observe_and_hash(name, directory, entry.path, accounts)
    except (OSError, DamagedError) as error:
        return getattr(error, "strerror", "") or str(error)
    if actual.kind is not entry.kind:
        return f"it is of type {actual.kind.value}, not {entry.kind.value}"
    names = ("size", "sha256", "target", "mtime_ns")
    return ", ".join(name for name in names if getattr(actual, name) != getattr(entry, name))
