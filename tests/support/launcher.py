"""Starts ``pacha`` without the half second that its imports take: a process that has them forks for each run.

A run gets its own environment, working directory, streams, umask and signals, and ends as ``pacha.__main__.main`` ends
it. What a fork cannot show (what is imported, signals and streams at the start, another locale) is tested with real
starts: ``Host.start``, ``Host.pacha`` with anything more in its environment, and every program but ``pacha`` itself.

    python -m tests.support.launcher SOCKET    the process; it ends when its standard input does
"""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

_MOST = 1 << 20  #: bytes of a request


class Launcher:
    """The process, and how to ask it for a run."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="pacha-launcher-")
        self._address = os.path.join(self._folder, "s")
        command = [sys.executable, "-m", "tests.support.launcher", self._address]
        top = Path(__file__).resolve().parents[2]
        self._process = subprocess.Popen(command, cwd=top, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

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
        request = json.dumps({"words": words, "environment": dict(environment), "cwd": os.getcwd()}).encode()
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
        os.unlink(self._address)
        os.rmdir(self._folder)


def _serve(address: str) -> None:
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
                _attend(line)
            line.close()


def _attend(line: socket.socket) -> NoReturn:
    """In a process for each run: have it, and tell how it ended; who has gone wants it killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        message, ancillary, _, _ = line.recvmsg(_MOST, socket.CMSG_SPACE(3 * 4))
        streams = array.array("i", ancillary[0][2])
        child = os.fork()
        if child == 0:
            _run(json.loads(message), list(streams), line)
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


def _run(request: dict[str, object], streams: list[int], line: socket.socket) -> NoReturn:
    """In the child: become what a fresh process would be, then be ``pacha``."""
    try:
        line.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, max(streams) + 100)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python begins
        hg = {name: os.environ[name] for name in ("HGRCPATH", "HGRCSKIPREPO", "HGPLAIN", "HGMODULEPOLICY")}
        os.environ.clear()
        os.environ.update({**request["environment"], **hg})  # type: ignore[dict-item]
        os.chdir(str(request["cwd"]))
        os.umask(0o022)
        time.tzset()
        tempfile.tempdir = None
        sys.stdin, sys.stdout, sys.stderr = (open(n, m, encoding="utf-8", errors=e) for n, m, e in _STREAMS)  # noqa: SIM115
        sys.argv = list(request["words"])  # type: ignore[call-overload]
        import pacha.__main__

        pacha.__main__.main()
        os._exit(0)
    except BaseException as fault:
        os.write(2, f"the launcher failed: {fault!r}\n".encode())
        os._exit(99)


_STREAMS = ((0, "r", "surrogateescape"), (1, "w", "surrogateescape"), (2, "w", "backslashreplace"))


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
    _serve(sys.argv[1])
