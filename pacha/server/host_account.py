"""Work in a host's folder as the account that owns it: in a child process, within limits, with a scratch folder.

The host may have forged what is in its folder. So root reads it only through this module.
"""

from __future__ import annotations

import codecs
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacha.store import hg
from pacha.system.child import run_in_child
from pacha.system.memory_limit import limit_memory_for_good


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLimits:
    """What the work may take: seconds of CPU, seconds by the clock (the account can stop the process), bytes of memory
    more than this process has, and bytes of its reply.
    """

    cpu_seconds: int
    seconds: float
    memory: int
    most: int


def load_modules() -> None:
    """Import all that the child needs first: its account may not be able to read our modules."""
    hg.import_all()
    for name in ("ascii", "unicode_escape", "latin-1", "idna"):
        codecs.lookup(name)  # a module each


def run_as_owner(owner: os.stat_result, work: Callable[[], bytes], limits: AccountLimits) -> tuple[bytes, int]:
    """Run ``work`` in a child process, as root under the account ``owner``; return its reply and its wait status."""

    def become_and_work() -> bytes:
        _become(owner, limits)
        return work()

    return run_in_child(become_and_work, seconds=limits.seconds, most=limits.most)


@contextmanager
def scratch_folder(owner: os.stat_result) -> Iterator[Path]:
    """A folder owned by ``owner`` in one of ours, so that nobody can replace it before it is removed."""
    # /tmp where the owner cannot reach the usual folder for temporary files
    usual = Path(tempfile.gettempdir()).resolve()
    is_open = all(folder.stat().st_mode & 0o001 for folder in (usual, *usual.parents))
    reached = str(usual) if is_open or owner.st_uid == os.geteuid() else "/tmp"  # noqa: S108 (mkdtemp in it)
    outer = Path(tempfile.mkdtemp(prefix="pacha-check-", dir=reached))
    try:
        outer.chmod(0o711)
        (outer / "work").mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(outer / "work", owner.st_uid, owner.st_gid)
        yield outer / "work"
    finally:
        shutil.rmtree(outer, onerror=_open_up)


def _become(owner: os.stat_result, limits: AccountLimits) -> None:
    """Become ``owner`` for good, without other groups and a terminal, and with limited resources."""
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds))
    limit_memory_for_good(limits.memory)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.umask(0o077)


def _open_up(remove: Callable[..., Any], path: str, _fault: object) -> None:
    """Remove a path that cannot be removed because of a restored mode."""
    os.chmod(os.path.dirname(path), 0o700)
    if os.path.isdir(path) and not os.path.islink(path):
        os.chmod(path, 0o700)
        shutil.rmtree(path)
    else:
        os.unlink(path)
