"""Run a program of this machine with a limit on its time and on its output."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from pacha.system import background

_LAST = 2048  #: bytes of stderr that are kept
_running = set[subprocess.Popen[bytes]]()  #: the programs of all threads


class Tail:
    """The last 2 KB of a program's output. A thread reads all of it, so that the program never has to wait."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._last = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        background.begin(self._thread)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while data := os.read(stream.fileno(), 4096):
                self._last = (self._last + data)[-_LAST:]

    def bytes(self, seconds: float = 1.0) -> bytes:
        """Return the last output, once the stream has ended or ``seconds`` have passed."""
        self._thread.join(seconds)
        return self._last


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status (negative: the signal), its output, and the last 2 KB of its stderr."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def complaint(self) -> bytes:
        """The last line of its stderr that is not empty; b"" for none."""
        return next((line for line in reversed(self.stderr.splitlines()) if line.strip()), b"")


def read_output(
    argv: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    most: int,
    *,
    source: int = subprocess.DEVNULL,
    inherited: Sequence[int] = (),
) -> Ended:
    """Run ``argv`` and return its output. Its input is the descriptor ``source``, or nothing.

    If it writes more than ``most`` bytes, it is killed, and the output has one byte more than ``most``. ``inherited``
    are descriptors that it keeps open. Raises OSError where it cannot be started, PachaError where the system starts no
    more threads, and TimeoutError where it does not end in ``seconds``. Its whole process group is killed with it.
    """
    process = subprocess.Popen(
        argv,
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        pass_fds=inherited,
    )
    assert process.stdout and process.stderr
    _running.add(process)
    expired = threading.Event()
    limit = threading.Timer(seconds, _expire, (process, expired))
    try:
        last = Tail(process.stderr)
        background.begin(limit)
        with process.stdout as stream:
            output = stream.read(most + 1)
        if len(output) > most:
            _end(process)
        status = process.wait()
    finally:
        limit.cancel()
        if process.returncode is None:  # an interruption, or no thread is left
            _end(process)
            process.wait()
        _running.discard(process)
    if expired.is_set():
        raise TimeoutError(f"no end within {seconds:g} seconds")
    return Ended(status, output, last.bytes())


def end_all() -> None:
    """Kill every program that ``read_output`` is running in any thread, with its process group.

    This process may end before its threads do; then nothing else would end a program that hangs.
    """
    for process in tuple(_running):
        if process.returncode is None:
            _end(process)


def _expire(process: subprocess.Popen[bytes], expired: threading.Event) -> None:
    expired.set()
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
