"""Run the programs of a package manager: with a clean environment, no input, a time limit, and a log."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pacha.machine.packages import program
from pacha.machine.packages.program import ProgramError
from pacha.system import activity, programs
from pacha.text import one_line

SECONDS = 7200.0  #: for one program that fetches or installs; PACHA_PACKAGES_TIMEOUT sets another limit
STALLED_SECONDS = 120.0  #: without another byte: apt waits for ever for some mirrors that hang up
_TAIL = 4096  #: bytes at the end of the log that are searched for its last line
_GRACE_SECONDS = 10.0  #: for a program to end by itself after SIGTERM


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLog:
    """Runs programs whose output is appended to the file ``log``.

    It is a file, not a pipe, so that an installation goes on to its end when this process is killed. ``inherited`` are
    descriptors that the programs keep open, such as a shared lock; ``variables`` are added to their environment.
    """

    log: Path
    inherited: tuple[int, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, argv: Sequence[str], what: str, growing: Sequence[Path] = ()) -> None:
        """Run ``argv`` to its end; ``what`` describes it to the user who waits. Raises ProgramError.

        It is ended when it takes too long, or, with ``growing``, when no file grows in these folders or the log's.
        """
        activity.begin(what)
        with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "ab") as output:
            output.write(f"\n$ {' '.join(argv)[:2000]}\n".encode())
            output.flush()
            began = output.tell()
            try:
                variables = {**environment(), **self.variables}
                with programs.started(
                    argv, variables, output, inherited=self.inherited, grace_seconds=_GRACE_SECONDS
                ) as process:
                    status = self._wait(process, what, began, growing)
            except TimeoutError as error:
                raise ProgramError(argv[0], str(error)) from None
            except OSError as error:
                raise ProgramError(argv[0], f"it cannot be started: {error.strerror}") from None
            finally:
                activity.begin("")  # what follows is something else
        if status:
            raise ProgramError(argv[0], self.last_line(began) or f"exit code {status}")

    def _wait(self, process: subprocess.Popen[bytes], what: str, began: int, growing: Sequence[Path]) -> int:
        """Return the exit status of ``process``. Raises TimeoutError."""
        limit = float(os.environ.get("PACHA_PACKAGES_TIMEOUT") or SECONDS)
        start = grew = time.monotonic()
        size = 0
        while (status := _ended(process)) is None:
            now = time.monotonic()
            if now > start + limit:
                raise TimeoutError(f"it was still at work after {limit:g} seconds and was ended")
            if growing and size != (size := _size([self.log.parent, *growing])):
                grew = now
            if growing and now > grew + STALLED_SECONDS:
                raise TimeoutError(f"nothing came for {STALLED_SECONDS:g} seconds, and it was ended")
            activity.current().what = ": ".join(filter(None, (what, self.last_line(began)[:100])))
        return status

    def last_line(self, began: int = 0) -> str:
        """Return the last line of the log, after the byte ``began``, that is not empty: safe to print, "" for none."""
        with open(self.log, "rb") as stream:
            stream.seek(max(began, stream.seek(0, os.SEEK_END) - _TAIL))
            lines = [line for line in stream.read().replace(b"\r", b"\n").split(b"\n") if line.strip()]
        return one_line(lines[-1]) if lines else ""


def environment() -> dict[str, str]:
    """Return the environment of such a program."""
    return {**program.environment(), "HOME": "/root", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_SUSPEND": "1"}


def _size(folders: Sequence[Path]) -> int:
    """Return how many bytes the files in ``folders`` have."""
    total = 0
    for folder in folders:
        with suppress(OSError):
            total += sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder))
    return total


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(0.2)
    except subprocess.TimeoutExpired:
        return None
