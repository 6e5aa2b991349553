"""The sh that runs small commands: what it answers, and what answers in its place. Here it is a sh of this machine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pacha.errors import PachaError
from pacha.wire.shell import command_line
from pacha.wire.ssh import RemoteShell, Result, remote_shell

SHELLS = (["sh"], ["bash"], ["bash", "--posix"], ["busybox", "sh"], ["dash"], ["mksh"])


class Process:
    """A program of this machine in place of a ``Stream``."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.process = subprocess.Popen(argv, stdin=-1, stdout=-1, stderr=-1, bufsize=0, start_new_session=True)
        self.stdin = self
        self.writing = threading.Lock()  #: else it is closed meanwhile, and another thread's pipe gets the number

    def write(self, data: bytes) -> int:
        assert self.process.stdin
        try:
            with self.writing:
                self.process.stdin.write(data)
        except (OSError, ValueError):
            raise BrokenPipeError from None
        return len(data)

    def read(self, n: int) -> bytes:
        assert self.process.stdout
        return self.process.stdout.read(n) or b""

    def finish(self) -> Result:
        self.process.terminate()
        with self.writing:
            said = self.process.communicate()[1]
        return Result(self.process.returncode, b"", said)

    def expire(self, seconds: float) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def close(self) -> None:
        self.expire(0)
        self.process.wait()
        with self.writing:
            for file in (self.process.stdin, self.process.stdout, self.process.stderr):
                assert file
                file.close()


class Local:
    """In place of ``Commands``: ``argv`` answers instead of sh; a command apart is counted."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = argv
        self.endpoint: Any = SimpleNamespace(host="there", label="bar@there")
        self.streams: list[Process] = []
        self.apart = 0

    def stream(self, argv: Sequence[str], *, idle: float) -> Process:
        assert argv == ["sh"]
        self.streams.append(Process(self.argv))
        return self.streams[-1]

    def run(self, argv: Sequence[bytes | str], *, timeout: float, limit: int) -> Result:
        self.apart += 1
        done = subprocess.run(["sh", "-c", command_line(argv)], capture_output=True, timeout=timeout)
        return Result(done.returncode, done.stdout, done.stderr)

    def write(self, path: bytes, data: bytes, *, timeout: float) -> Result:
        self.apart += 1
        Path(os.fsdecode(path)).write_bytes(data)
        return Result(0, b"", b"")


def shell_of(local: Local) -> RemoteShell:
    return RemoteShell(local)  # type: ignore[arg-type]


@pytest.fixture(params=SHELLS, ids=" ".join)
def local(request: pytest.FixtureRequest) -> Iterator[Local]:
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"{request.param[0]} is not installed")
    made = Local(request.param)
    yield made
    for stream in made.streams:
        stream.close()


def test_output_errors_and_status_are_kept_apart(local: Local, tmp_path: Path) -> None:
    shell = shell_of(local)
    odd = tmp_path / "it's a\nfolder $HOME `id` !"
    odd.write_bytes(bytes(range(256)) * 300 + b"no end of line")
    assert shell.run(["cat", bytes(odd)]) == Result(0, odd.read_bytes(), b"")
    missing = shell.run(["cat", bytes(odd), "/none"])
    assert (missing.status, missing.stdout) == (1, odd.read_bytes()) and b"No such file" in missing.stderr
    assert shell.run(["no-such-program-there"]).status == 127
    assert shell.run(["sh", "-c", "kill -9 $$"]).status == 137
    assert shell.run(["cat"]) == Result(0, b"", b""), "it reads what is asked next"
    assert (len(local.streams), local.apart) == (1, 0)


def test_a_file_is_written(local: Local, tmp_path: Path) -> None:
    shell = shell_of(local)
    data = b"it's 100%s \\n of $it\n\nno end \xff"
    assert shell.write(bytes(tmp_path / "a b"), data) == Result(0, b"", b"")
    assert (tmp_path / "a b").read_bytes() == data
    failed = shell.write(bytes(tmp_path / "none" / "file"), data)
    assert failed.status and failed.stderr
    assert shell.run(["echo", "on"]).stdout == b"on\n"


@pytest.mark.slow
def test_many_threads_get_their_own_answers(local: Local) -> None:
    shell = shell_of(local)
    words = [str(number) for number in range(60)]
    with ThreadPoolExecutor(7) as pool:
        results = list(pool.map(lambda word: shell.run(["echo", word]), words))
    assert [result.stdout.decode().strip() for result in results] == words
    assert (len(local.streams), local.apart) == (1, 0)


@pytest.mark.slow
def test_a_command_that_was_not_sent_whole_is_not_run(local: Local, tmp_path: Path) -> None:
    """As when we are killed: what arrived of ``rm /a/bc`` is no command for ``/a/b``."""
    shell = shell_of(local)
    assert shell.run(["true"]).status == 0
    victim = tmp_path / "victim"
    victim.touch()
    process = local.streams[0].process
    assert process.stdin
    question = remote_shell._QUESTION % (b"word", b"rm %s" % bytes(victim))
    for end in range(len(question) - 2):
        assert subprocess.run([*local.argv], input=b"exec 3>&1\n" + question[:end], capture_output=True)
        assert victim.exists()


def without_printf(tmp_path: Path) -> list[str]:
    """A shell for which printf(1) is a program, as for mksh."""
    (tmp_path / "start-up").write_text("enable -n printf\n")
    return ["env", f"BASH_ENV={tmp_path}/start-up", "bash"]


def test_errors_are_longer_than_an_argument_may_be(tmp_path: Path) -> None:
    """As of sha256sum(1), when many repositories are not there yet."""
    for argv in (["sh"], without_printf(tmp_path)):
        local = Local(argv)
        shell = shell_of(local)
        ended = shell.run(["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' e >&2; exit 3"], timeout=20)
        assert ended.status == 3 and ended.stderr
        assert shell.run(["echo", "on"]).stdout == b"on\n"
        local.streams[0].close()


def test_data_that_printf_does_not_take_has_a_channel(local: Local, tmp_path: Path) -> None:
    shell, place = shell_of(local), tmp_path / "file"
    for data in (b"a\0b", b"x" * 200_000):
        assert shell.write(bytes(place), data).status == 0 and place.read_bytes() == data
    assert (local.streams, local.apart) == ([], 2)
    every = bytes(range(1, 256)) * 16
    assert shell.write(bytes(tmp_path / os.fsdecode(every[:46])), every) == Result(0, b"", b"")
    assert (tmp_path / os.fsdecode(every[:46])).read_bytes() == every and local.apart == 2


def test_what_was_sent_behind_a_command_that_was_given_up_is_not_run(tmp_path: Path) -> None:
    """Minutes later it could write the heartbeat of an earlier push beside that of a later one."""
    victim = tmp_path / "victim"
    script = remote_shell._OPENING % b"hello"
    script += b"".join(remote_shell._QUESTION % (b"word", line) for line in (b"sleep 0.2", b"touch %s" % bytes(victim)))
    deaf = ["sh", "-c", "trap '' PIPE; exec sh"]
    for argv in (["sh"], deaf, without_printf(tmp_path)):
        with subprocess.Popen(argv, stdin=-1, stdout=-1, stderr=-1) as process:
            assert process.stdin and process.stdout
            process.stdin.write(script)
            process.stdin.close()
            assert process.stdout.readline() == b"hello\n"
            process.stdout.close()
        assert not victim.exists()


def test_nothing_of_a_command_is_left_to_the_next(local: Local) -> None:
    """Not even where the account's own start-up file exports what sh uses here."""
    local.argv = ["env", "e=own", "w=own", "s=own", *local.argv]
    shell = shell_of(local)
    for line in ("cd /", "umask 0", "export X=1", "trap 'echo bye' EXIT", "set -e", "exec 4>&1", "exit 7"):
        shell.run(shlex.split(line))
    assert shell.run(["cat", "/none"]).stderr
    seen = shell.run(["sh", "-c", "pwd; umask; echo $X.$e.$w.$s"]).stdout.decode().split()
    assert seen == [os.getcwd(), subprocess.getoutput("umask"), "..."]
    assert shell.run(["ls", "/proc/self/fd"]).stdout.split() == [b"0", b"1", b"2", b"3"], (
        "the last is that of ls itself"
    )


def test_an_answer_has_its_limits(local: Local) -> None:
    shell = shell_of(local)
    with pytest.raises(PachaError) as caught:
        shell.run(["cat", "/dev/zero"], limit=100_000)
    assert caught.value.code == "endless-answer"
    assert shell.run(["echo", "on"]).stdout == b"on\n"
    assert local.apart == 1, "what answers without end is asked again"


def test_a_command_has_its_time(local: Local) -> None:
    shell = shell_of(local)
    with pytest.raises(PachaError):
        shell.run(["sleep", "60"], timeout=0.2)


def test_one_that_is_killed_is_told(local: Local) -> None:
    shell = shell_of(local)
    assert shell.run(["true"]).status == 0
    local.streams[0].process.kill()
    local.streams[0].process.wait()
    with pytest.raises(PachaError) as caught:
        shell.run(["true"])
    assert caught.value.code == "connection-lost"


OTHERS = {
    "it talks": "echo Welcome; exec sh",
    "it talks, without a line": "printf Welcome; exec sh",
    "it is none": "exec cat",
    "it ends": "exit 127",
    "an earlier Pacha does not let it in": "echo 'pacha: Permission denied: this key is for Pacha alone.' >&2; exit 11",
    "it is not let in": "echo 'This service allows sftp connections only.'; exit 1",
    "it says nothing": "exec sleep 600",
    "it says nothing for long": "sleep 1; exec sh",
}


@pytest.mark.parametrize("script", OTHERS.values(), ids=OTHERS)
def test_where_it_is_no_sh_each_command_has_a_channel(script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_shell, "_GREETING", 0.3)
    local = Local(["sh", "-c", script])
    shell = shell_of(local)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda word: shell.run(["echo", word]), "abc"))
    assert [result.stdout for result in results] == [b"a\n", b"b\n", b"c\n"]
    assert (len(local.streams), local.apart) == (1, 3)


LIES = {
    "a status that is none": b"\n%s status\n\n%s\n",
    "a status of nobody": b"\n%s 999\n\n%s\n",
    "a status below zero": b"\n%s -1\n\n%s\n",
    "a status without end": b"\n%s " + b"1" * 100_000,
    "half of an answer": b"\n%s 0\n",
    "another word": b"\nfeedfeedfeedfeedfeedfeedfeedfeed 0\n\nfeedfeedfeedfeedfeedfeedfeedfeed\n",
}


class Liar(Process):
    """It greets as sh, answers with ``lie`` and ends."""

    def __init__(self, lie: bytes) -> None:
        self.stdin = self
        self.lie = lie
        self.rest = b""

    def write(self, data: bytes) -> int:
        [greeting, word] = re.findall(rb"[0-9a-f]{32}", data)
        self.rest = greeting + b"\n" + self.lie.replace(b"%s", word)
        return len(data)

    def read(self, n: int) -> bytes:
        piece, self.rest = self.rest[:1000], self.rest[1000:]
        return piece

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_an_answer_that_is_none_ends_it(lie: bytes) -> None:
    local: Any = Local([])
    local.stream = lambda argv, idle: Liar(lie)
    with pytest.raises(PachaError):
        shell_of(local).run(["true"])


def test_one_who_is_interrupted_leaves_no_answer_to_the_next(local: Local) -> None:
    shell = shell_of(local)
    assert shell.run(["true"]).status == 0
    stream, real, met = local.streams[0], local.streams[0].read, threading.Event()

    def read(n: int) -> bytes:
        met.set()
        raise KeyboardInterrupt

    stream.read = read  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        shell.run(["echo", "one"])
    stream.read = real  # type: ignore[method-assign]
    assert met.is_set() and shell.run(["echo", "two"]).stdout == b"two\n"
