"""Starts ``pacha`` without the half second that its imports take: a process that has them forks for each run.

A run gets the environment, working directory, streams, umask and signals that a fresh process would have of whoever
asks, and ends as ``pacha.__main__.main`` ends it; ``tests/stories/test_launcher.py`` compares the two. What a fork
cannot show (what is imported, signals and streams at the start, another locale) is tested with real starts:
``Host.start``, ``Host.pacha`` with anything more in its environment, and every program but ``pacha`` itself.

    python -m tests.support.launcher SOCKET MODULE    runs MODULE.main; it ends when its standard input does
"""

from __future__ import annotations

import array
import io
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

_MOST = 1 << 20  #: bytes of a request
#: What Python and the C library read once, when a process begins: a run that differs in these needs a real start.
_READ_AT_START = ("PYTHON", "LC_", "LANG")


def read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of ``environment`` that a fork cannot change any more."""
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


class Launcher:
    """The process, and how to ask it for a run of ``module``'s main()."""

    def __init__(self, module: str = "pacha.__main__") -> None:
        self._at_start = read_at_start(os.environ)
        self._folder = tempfile.mkdtemp(prefix="pacha-launcher-")
        self._address = os.path.join(self._folder, "s")
        command = [sys.executable, "-m", "tests.support.launcher", self._address, module]
        top = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(command, cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def fits(self, environment: Mapping[str, str]) -> bool:
        """Whether a run with ``environment`` is what a fresh process would be."""
        return read_at_start(environment) == self._at_start

    def run(
        self, arguments: Sequence[bytes], environment: Mapping[str, str], stdin: bytes, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """The exit code (negative: the signal), standard output and errors of ``pacha`` with ``arguments``."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            code = self._ask(arguments, environment, [given.fileno(), out.fileno(), err.fileno()], timeout)
            out.seek(0)
            err.seek(0)
            return code, out.read(), err.read()

    def _ask(
        self, arguments: Sequence[bytes], environment: Mapping[str, str], streams: list[int], timeout: float
    ) -> int:
        words = [os.fsdecode(word) for word in arguments]
        places = {"cwd": os.getcwd(), "umask": _umask()}
        request = json.dumps({"words": words, "environment": dict(environment), **places}).encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MOST)
            line.connect(self._address)
            line.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
            line.settimeout(timeout)
            try:
                return int(line.recv(100))
            except TimeoutError:
                raise subprocess.TimeoutExpired(words, timeout) from None

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        os.unlink(self._address)
        os.rmdir(self._folder)


def _umask() -> int:
    """The umask of this process, read without changing it (proc(5))."""
    return int(re.search(r"^Umask:\s*(\d+)$", Path("/proc/self/status").read_text(), re.MULTILINE)[1], 8)  # type: ignore[index]


def _serve(address: str, module: str) -> None:
    assert len(os.listdir("/proc/self/task")) == 1, "a thread would be missing in each fork"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(16)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.write(1, b"ready\n")
        while True:
            readable, _, _ = select.select([listening, 0], [], [])
            if 0 in readable:
                return
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _attend(line, module)
            line.close()


def _attend(line: socket.socket, module: str) -> NoReturn:
    """In a process for each run: have it, and tell how it ended; who has gone wants it killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        message, ancillary, _, _ = line.recvmsg(_MOST, socket.CMSG_SPACE(3 * 4))
        streams = array.array("i", ancillary[0][2])
        child = os.fork()
        if child == 0:
            _run(json.loads(message), list(streams), line, module)
        for stream in streams:
            os.close(stream)
        while (done := os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG)) is None:
            if select.select([line], [], [], 0.005)[0]:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                os._exit(0)
        line.send(str(done.si_status if done.si_code == os.CLD_EXITED else -done.si_status).encode())
    finally:
        os._exit(0)


def _run(request: dict[str, Any], streams: list[int], line: socket.socket, module: str) -> NoReturn:
    """In the child: become what a fresh process would be, then be ``module``."""
    try:
        line.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, max(streams) + 100)
        _become(request)
        import_module(module).main()
        for flushed in (sys.stdout, sys.stderr):
            flushed.flush()
        os._exit(0)
    except BaseException as fault:
        os.write(2, f"the launcher failed: {fault!r}\n".encode())
        os._exit(99)


def _become(request: dict[str, Any]) -> None:
    """Have the surroundings that are asked for. Signals are as this process got them, which changed none of them."""
    hg = {name: os.environ[name] for name in ("HGRCPATH", "HGRCSKIPREPO", "HGPLAIN", "HGMODULEPOLICY")}
    os.environ.clear()
    os.environ.update({**request["environment"], **hg})  # as importing pacha.store.hg leaves it
    os.chdir(request["cwd"])
    os.umask(request["umask"])
    time.tzset()
    tempfile.tempdir = None
    sys.stdin, sys.stdout, sys.stderr = (
        _reopened(sys.stdin, "r"), _reopened(sys.stdout, "w"), _reopened(sys.stderr, "w"),
    )  # fmt: skip
    sys.argv = request["words"]
    sys.path[0] = os.path.dirname(sys.argv[0])


def _reopened(stream: TextIO, mode: str) -> TextIO:
    """A stream over the new descriptor that codes, and buffers, as Python began this one."""
    through = bool(stream.write_through)  # type: ignore[attr-defined]
    raw = open(stream.fileno(), mode + "b", 0 if through and mode == "w" else -1, closefd=False)  # noqa: SIM115
    words = {"line_buffering": stream.line_buffering, "write_through": through}
    made = io.TextIOWrapper(raw, stream.encoding, stream.errors, **words)  # type: ignore[arg-type]
    made.mode = mode  # type: ignore[misc]
    return made


def _import_everything() -> None:
    """All that a command may need, in the order that keeps demandimport and cryptography apart."""
    import importlib
    import pkgutil

    import pacha
    from pacha.store import hg
    from pacha.wire import ssh

    for module in pkgutil.walk_packages(pacha.__path__, "pacha."):
        if not module.name.startswith("pacha.store.hg.server") and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert ssh.Connection
    hg.load()


if __name__ == "__main__":
    _import_everything()
    _serve(sys.argv[1], sys.argv[2])
