"""Run an administrator's programs: which files in a folder are programs, and with which environment and limits.

As with run-parts(8), a file's name decides whether it is a program.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pacha.system import descriptors, signals
from pacha.system.executable import PATH
from pacha.system.home import home_dir

KEPT_BYTES = 64 << 10  #: of a program's output, from its end
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_LEFT_BEHIND = (b".bak", b".orig", b".rej", b".swp", b".dpkg-old", b".dpkg-new", b".dpkg-dist", b".rpmsave", b".rpmnew")
_MOST_BYTES = 1 << 20  #: of output on the disk, checked at each poll
_POLL_SECONDS = 0.5
_GRACE_SECONDS = 5.0  #: for a program to clean up after SIGTERM


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """How a program ended: why it failed ("" if it did not), and the last 64 KiB of its output."""

    failure: str
    output: bytes


def passed_over(name: bytes, mode: int) -> str:
    """Return why a file with this ``name`` and ``mode`` is not a program to run; "" if it is one."""
    if not _NAME.match(name) or name.endswith(_LEFT_BEHIND):
        return "its name is not that of a program"
    return "" if mode & 0o111 else "it is not executable"


def environment() -> dict[str, str]:
    """Return the environment for a program: no variable of Pacha's own environment is passed on."""
    return {"PATH": PATH, "HOME": "/root" if os.geteuid() == 0 else home_dir(), "LANG": "C.UTF-8"}


def run(
    argv: Sequence[str | Path],
    variables: Mapping[str, str],
    seconds: float,
    scratch: Path,
    *,
    stdin: IO[bytes] | None = None,
) -> ProgramRun:
    """Run ``argv`` to its end, for at most ``seconds``. Its output goes to an unnamed file in ``scratch``.

    ``variables`` are its whole environment; ``stdin`` is an open file that it reads (None: nothing). If it takes too
    long, or an exception (a signal) ends the wait, its whole process group is ended.
    """
    # A file, not a pipe: a daemon that the program starts may keep the output open for ever.
    with tempfile.TemporaryFile(dir=scratch, buffering=0) as output:
        fcntl.fcntl(output, fcntl.F_SETFL, os.O_APPEND)  # so that it can be truncated
        tail = _OutputTail(output)
        try:
            with started(argv, variables, output, stdin=stdin) as process:
                failure = _wait(process, seconds, tail)
        except OSError as error:
            failure = f"it cannot be started: {(error.strerror or str(error)).lower()}"
        return ProgramRun(failure, tail.end())


@contextmanager
def started(
    argv: Sequence[str | Path],
    variables: Mapping[str, str],
    output: IO[bytes],
    *,
    stdin: IO[bytes] | None = None,
    inherited: Sequence[int] = (),
    grace_seconds: float | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program; after the body, end it and its process group, unless it has ended. Raises OSError.

    ``inherited`` are descriptors that it keeps open; ``grace_seconds`` is its time to clean up after SIGTERM.
    """
    process = None
    try:
        # A signal between the start and the assignment would leave a process that nothing ends.
        with descriptors.as_given(), signals.held():
            process = subprocess.Popen(
                argv, cwd="/", env=dict(variables), stdin=stdin or subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True, pass_fds=inherited,
            )  # fmt: skip
        yield process
    finally:
        if process and process.returncode is None:
            _end(process, _GRACE_SECONDS if grace_seconds is None else grace_seconds)


class _OutputTail:
    """The last bytes that a program writes to a file, which is truncated before it fills the disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._fd = file.fileno()
        self._before = b""

    def truncate(self) -> None:
        if os.fstat(self._fd).st_size > _MOST_BYTES:
            self._before = self.end()
            os.ftruncate(self._fd, 0)

    def end(self) -> bytes:
        size = os.fstat(self._fd).st_size
        return (self._before + os.pread(self._fd, KEPT_BYTES, max(0, size - KEPT_BYTES)))[-KEPT_BYTES:]


def _wait(process: subprocess.Popen[bytes], seconds: float, tail: _OutputTail) -> str:
    """Return why ``process`` failed; "" if it did not."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(max(0.0, min(_POLL_SECONDS, deadline - time.monotonic())))
            return f"killed by signal {-code}" if code < 0 else f"exit code {code}" if code else ""
        tail.truncate()
        if time.monotonic() >= deadline:
            _end(process, _GRACE_SECONDS)
            return f"it was still at work after {seconds:g} seconds and was killed"


def _end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """End the process group: SIGTERM, then SIGKILL. Until wait(), no other process can get the leader's number."""
    try:
        with suppress(ProcessLookupError, ChildProcessError):  # a signal interrupted the wait that had seen its end
            os.killpg(pid := process.pid, signal.SIGTERM)
            deadline = time.monotonic() + grace_seconds
            while time.monotonic() < deadline and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                time.sleep(0.05)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
