"""The system's own hg, run on a repository of ours: one process of it that takes a command after the other."""

from __future__ import annotations

import atexit
import os
import shutil
import struct
import subprocess
from functools import cache
from typing import IO

import pytest

_ALONE = {"PATH": "/usr/bin:/bin", "HGRCPATH": "", "LANG": "C"}


class CommandServer:
    """A Mercurial that runs commands as its command line would, without a start for each (hg help -e serve)."""

    def __init__(self, program: str) -> None:
        command = [program, "--config", "trusted.users=*", "serve", "--cmdserver", "pipe"]
        self._process = subprocess.Popen(
            command, env=_ALONE, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin: IO[bytes] = self._process.stdin
        self._stdout: IO[bytes] = self._process.stdout
        assert b"runcommand" in self._answer()[1]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, standard output and errors of ``hg`` with ``arguments``; paths are absolute."""
        words = b"\0".join(os.fsencode(word) for word in ("--config", "trusted.users=*", *arguments))
        self._stdin.write(b"runcommand\n" + struct.pack(">I", len(words)) + words)
        self._stdin.flush()
        texts = {b"o": b"", b"e": b""}
        while (answer := self._answer())[0] in texts:
            texts[answer[0]] += answer[1]
        assert answer[0] == b"r", f"hg {arguments} wants to know more: {texts}"
        return struct.unpack(">i", answer[1])[0], texts[b"o"].decode(), texts[b"e"].decode()

    def close(self) -> None:
        """End it."""
        self._stdin.close()
        self._process.wait(10)
        self._stdout.close()

    def _answer(self) -> tuple[bytes, bytes]:
        """A channel and what came on it."""
        channel, size = struct.unpack(">cI", self._stdout.read(5))
        return channel, self._stdout.read(size)


@cache
def _server(program: str) -> CommandServer:
    """The one of this process of pytest."""
    server = CommandServer(program)
    atexit.register(server.close)
    return server


def run_hg(*arguments: str) -> str:
    """Run the system's own Mercurial, whatever is installed beside Python; returns what it prints."""
    code, out, err = _server(system_hg()).run(*arguments)
    assert code == 0, f"hg {' '.join(arguments)}: {out} {err}"
    return out


def system_hg() -> str:
    """The hg of the system, which on most masters is older than ours."""
    found = shutil.which("hg", path="/usr/bin:/usr/local/bin:" + os.environ["PATH"])
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("hg is not installed, and CI is set")
        pytest.skip("needs hg")
    return found
