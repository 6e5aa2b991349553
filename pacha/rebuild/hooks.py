"""Hooks: programs of the master's root that run on the machine before and after a rebuild.

They are in ``pacha_pre`` and ``pacha_post`` of ``<hosts_path>/.hooks/<host>/``, where no host can write. Nothing
from a host's own history is ever run. A file's name decides whether it is a hook, as with run-parts(8).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import DamagedError, PachaError
from pacha.system import programs
from pacha.text import escape
from pacha.wire.hook_files import HOOK_FOLDERS, ROOT, Hook
from pacha.wire.master import Master

TIMEOUT_SECONDS = 600.0
_FOLDER = "hooks-"


@dataclass(frozen=True, slots=True)
class Planned:
    """A hook that will run: its folder on the master, its name, its SHA-256 (hex), its owner, its path here.

    ``owner`` is "root" where the master says so, "" where it is unknown.
    """

    folder: str
    name: bytes
    sha256: str
    owner: str
    path: Path

    @property
    def label(self) -> str:
        """``pacha_pre/10-stop``, safe to print."""
        return f"{self.folder}/{escape(self.name)}"


@dataclass(frozen=True, slots=True)
class HookRun:
    """A hook that ran: its label, why it failed ("": it did not), the end of its output (bytes)."""

    label: str
    failure: str
    output: bytes


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of a rebuild in the order in which they run, and the files there that are not hooks."""

    before: tuple[Planned, ...] = ()
    after: tuple[Planned, ...] = ()
    passed_over: tuple[str, ...] = ()  #: name and reason, safe to print

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


@contextmanager
def fetched(state: Path, master: Master, host: str) -> Iterator[Hooks]:
    """The hooks that ``master`` has for ``host``, in a private folder below ``state`` while the body runs.

    Raises UnreachableError, DamagedError, and PachaError if others than root can change a hook, or if none can run
    here.
    """
    sweep(state)
    with tempfile.TemporaryDirectory(prefix=_FOLDER, dir=state) as folder:
        inbox = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            hooks = master.fetch_hooks(host, inbox)
        finally:
            os.close(inbox)
        planned = _sorted_out(Path(folder), hooks)
        if planned and os.statvfs(folder).f_flag & os.ST_NOEXEC:
            raise PachaError(
                "The hooks cannot run on this machine; nothing was changed.",
                f"{escape(state)} is mounted noexec",
                "Mount it with exec for the time of the rebuild, or rebuild without --hooks.",
                code="hooks-not-executable",
            )
        yield planned


def sweep(state: Path) -> None:
    """Remove the folders of hooks that killed rebuilds left in ``state``."""
    for leftover in state.glob(f"{_FOLDER}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def run(
    hooks: Sequence[Planned], environment: Mapping[str, str], on_ran: Callable[[HookRun], None]
) -> tuple[HookRun, ...]:
    """Run ``hooks`` in order, up to the first that fails; calls ``on_ran`` after each."""
    runs: list[HookRun] = []
    for hook in hooks:
        seconds = float(os.environ.get("PACHA_HOOK_TIMEOUT") or TIMEOUT_SECONDS)
        ended = programs.run([hook.path], environment, seconds, hook.path.parent)
        runs.append(HookRun(hook.label, ended.failure, ended.output))
        on_ran(runs[-1])
        if ended.failure:
            break
    return tuple(runs)


def environment(host: str, tip: str, target: bytes, parts: Sequence[bytes]) -> dict[str, str]:
    """The whole environment of a hook (``docs/hooks.rst``)."""
    return {
        **programs.environment(),
        "PACHA_HOST": host,
        "PACHA_SNAPSHOT": tip,
        "PACHA_TARGET": os.fsdecode(target),
        "PACHA_PARTS": "\n".join(map(os.fsdecode, parts)),
    }


def _sorted_out(folder: Path, hooks: Sequence[Hook]) -> Hooks:
    planned: dict[str, list[Planned]] = {name: [] for name in HOOK_FOLDERS}
    passed_over = []
    for hook in sorted(hooks, key=lambda entry: (entry.folder, entry.name)):
        label = f"{hook.folder}/{escape(hook.name)}"
        if hook.owner not in ("", ROOT):
            raise PachaError(
                f"The hook {label} is not root's alone.",
                f"on the master it is {hook.owner}",
                "Fix that there, or rebuild without --hooks.",
                code="hook-not-trusted",
            )
        if reason := programs.passed_over(hook.name, hook.mode):
            passed_over.append(f"{label}: {reason}")
            continue
        planned[hook.folder].append(_planned(folder, hook))
    before, after = (tuple(planned[name]) for name in HOOK_FOLDERS)
    return Hooks(before, after, tuple(passed_over))


def _planned(folder: Path, hook: Hook) -> Planned:
    path = folder / hook.folder / os.fsdecode(hook.name)
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise DamagedError(
                f"The hook {hook.folder}/{escape(hook.name)} is not a file.",
                "",
                "Fix that on the master, or rebuild without --hooks.",
                code="hook-not-a-file",
            )
        digest = hashlib.sha256(stream.read()).hexdigest()
        os.fchmod(stream.fileno(), 0o700)
    return Planned(hook.folder, hook.name, digest, hook.owner, path)
