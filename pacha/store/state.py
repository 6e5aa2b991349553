"""The state folder: its paths, its lock, and the file with this machine's state.

It is ``PACHA_STATE``, ``/var/lib/pacha`` or ``$XDG_STATE_HOME/pacha``, readable by its owner alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pacha import __version__
from pacha.errors import LockedError, PachaError
from pacha.store.host_state import HostState
from pacha.store.state_json import decode, encode
from pacha.system.atomic import replace_file
from pacha.text import local_second, one_line

#: The latest format of the state folder that this version reads. ``readable_from`` in memory.json names the format that
#: a reader must know; 1 where it is missing.
READABLE_FROM = 1
_POLL_SECONDS = 0.1
_LEAST_WAIT = 0.3  #: seconds; ``holder`` holds the lock for a moment, to test it


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths below the state folder; ``path`` is created, with mode 0700, at first need."""

    path: Path

    @property
    def database(self) -> str:
        """pacha.db: the last snapshot, and what is watched."""
        return str(self.path / "pacha.db")

    @property
    def cache(self) -> str:
        """The cache, which only speeds up scanning; it may be removed at any time."""
        return str(self.path / "cache.db")

    @property
    def purged(self) -> Path:
        """The record of what was purged from the history here, because a master did (``store.purges``)."""
        return self.path / "purged"

    @property
    def rebuilds(self) -> Path:
        """The journals of rebuilds."""
        return self.path / "rebuilds"

    @property
    def scratch(self) -> Path:
        """Where private temporary folders are created: here, or in the usual place if this folder is read-only."""
        usual = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 (mkdtemp in it)
        return Path(os.path.abspath(usual)) if self.is_read_only else self.path

    def repository(self, name: str) -> str:
        """The local repository ``name``."""
        return str(self.path / "repos" / name)

    @property
    def is_read_only(self) -> bool:
        """Whether its file system is mounted read-only, or that of the folder in which it would be created."""
        place = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)

    def make(self) -> None:
        """Create the folder, mode 0700. Raises PachaError where that fails, or it belongs to somebody else."""
        try:
            _make_private(self.path)
            self.check_owner()
            status = os.stat(self.path)
        except OSError as error:
            raise PachaError(
                f"The state folder {self.path} cannot be made.",
                error.strerror or "",
                "Set PACHA_STATE to another.",
                code="state-not-made",
            ) from None
        if status.st_mode & 0o077:
            os.chmod(self.path, 0o700)

    def check_owner(self) -> None:
        """Raise PachaError where the folder belongs to somebody else, OSError where it cannot be accessed."""
        owner, me = os.stat(self.path).st_uid, os.geteuid()
        if owner != me:
            give = f"Run: chown -R root: {shlex.quote(str(self.path))}; or set PACHA_STATE to another folder."
            raise PachaError(
                f"The state folder {self.path} belongs to someone else.",
                f"it is user {owner}'s",
                "Set PACHA_STATE to a folder of your own, or become its owner." if me else give,
                code="state-of-another-user",
            )

    def update(self, **changes: Any) -> HostState:
        """Change these fields of the state, replace the file atomically, and return the new state."""
        self.make()
        state = replace(self.read(), version=__version__, **changes)
        text = json.dumps(encode(state), indent=1, sort_keys=True)
        replace_file(self.path / "memory.json", text.encode("ascii"))
        return state

    def read(self) -> HostState:
        """Return the state; the defaults at first. Raises PachaError where a later Pacha wrote it, or it is damaged."""
        try:
            text = (self.path / "memory.json").read_text(encoding="ascii")
            loaded = json.loads(text)
            if not isinstance(loaded, dict):
                raise ValueError("it is not a JSON object")
            self._check_readable(loaded)
            return decode(loaded)
        except FileNotFoundError:
            return HostState()
        except OSError as error:
            raise PachaError(
                f"{self.path / 'memory.json'} cannot be read.",
                error.strerror or "",
                "Set PACHA_STATE to a folder of your own, or become its owner.",
                code="state-unreadable",
            ) from None
        except (ValueError, RecursionError) as error:
            raise PachaError(
                f"{self.path / 'memory.json'} is damaged.",
                str(error),
                "Move it aside and run this again.",
                code="state-damaged",
            ) from None

    def _check_readable(self, memory: dict[str, Any]) -> None:
        needed = memory.get("readable_from", READABLE_FROM)
        if not isinstance(needed, int) or needed > READABLE_FROM:
            version = memory.get("version")
            later = f"Pacha {one_line(version)} or a later one" if isinstance(version, str) else "that Pacha again"
            raise PachaError(
                f"The state folder {self.path} was written by a later Pacha.",
                f"its format is {needed!r}, this Pacha ({__version__}) reads up to {READABLE_FROM}",
                f"Install {later}. Nothing was changed.",
                code="state-too-new",
            )

    def machine(self) -> str:
        """This machine's own id: random, created once, never restored by a rebuild."""
        return self.read().machine or self.update(machine=secrets.token_hex(8)).machine

    @contextmanager
    def locked(self, wait_seconds: float = 0, work: str = "", *, only_looks: bool = False) -> Iterator[None]:
        """Hold the lock, which the kernel releases when the process ends (flock(2)).

        ``work`` (a word) tells other runs what it is held for. A run that ``only_looks`` needs no lock in a read-only
        folder. Raises LockedError, naming the holder, after ``wait_seconds``, and PachaError.
        """
        if self.is_read_only:
            if not only_looks:
                raise self.unwritable()
            yield
            return
        self.make()
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _take_lock(fd, time.monotonic() + max(wait_seconds, _LEAST_WAIT))
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()} {local_second(time.time())} {work}\n".encode("ascii"), 0)
            self._clear_locks()
            yield
        finally:
            os.close(fd)

    def unwritable(self) -> PachaError:
        """The error for a folder that is read-only."""
        return PachaError(
            f"The state folder {self.path} cannot be written to.",
            "its file system is mounted read-only",
            "Mount it writable, or set PACHA_STATE to another. What only looks works: status, log, diff, verify.",
            code="state-read-only",
        )

    def holder(self) -> LockedError | None:
        """Who holds the lock and since when (``why``), and for what (``work``); None for nobody."""
        try:
            fd = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            _take_lock(fd, 0, fcntl.LOCK_SH)
            return None
        except LockedError as error:
            return error
        finally:
            os.close(fd)

    def _clear_locks(self) -> None:
        """Remove the locks that a killed run left in the repositories: only the holder of our lock works there.

        Mercurial considers such a lock valid where the machine's name has changed since, or another process has the
        number.
        """
        repositories = self.path / "repos"
        for name in os.listdir(repositories) if repositories.is_dir() else ():
            for lock in (".hg/wlock", ".hg/store/lock"):
                (repositories / name / lock).unlink(missing_ok=True)


def _make_private(path: Path) -> None:
    """Create ``path`` and its missing parents with mode 0700 (XDG Base Directory Specification)."""
    if not path.is_dir():
        _make_private(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def _take_lock(fd: int, deadline: float, kind: int = fcntl.LOCK_EX) -> None:
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _held(fd) from None
            time.sleep(_POLL_SECONDS)
        except OSError as error:
            raise PachaError(
                "The state folder cannot be locked.",
                f"{os.readlink(f'/proc/self/fd/{fd}')}: {error.strerror}",
                "Set PACHA_STATE to a folder on a local disk, or have its server give out locks (NFS: lockd, statd).",
                code="lock-refused",
            ) from None


def _held(fd: int) -> LockedError:
    """The error that names the holder, from the lock file ``fd``, which the holder wrote."""
    pid, *rest = os.pread(fd, 100, 0).decode("ascii", "replace").split() or ["unknown"]
    error = LockedError(
        "Another run of Pacha is at work.",
        f"process {pid} holds the lock since {' '.join(rest[:2]) or 'a moment ago'}",
        "Wait for it to end, then run this again.",
        code="locked",
    )
    error.work, error.seconds = " ".join(rest[2:]), time.time() - os.fstat(fd).st_mtime
    return error
