"""A master that lies: behind a real sshd a forced command plays what a test tells it to say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.sshd import Account, Sshd, account, make_key
from tests.support.stage import PACHA, Done, Host, Stage, own

#: Plays the acts of the case that fits the command, a JSON list: ["say", hex, times], ["drip", hex] (a byte at a
#: time), ["dribble", hex, seconds] (so many after each byte), ["endless", hex], ["names", hex, hex] (ever more names
#: between the two), ["sleep", seconds], ["exit", status].
_PLAYER = """\
import json, os, shlex, sys, time
asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
open(sys.argv[1] + ".asked", "a").write(asked + "\\n")
case = json.load(open(sys.argv[1]))
acts = case["hg" if " serve " in asked else "db" if "/db/" in asked else "content"]
out = sys.stdout.buffer
if acts == "real":
    words = shlex.split(asked)
    sys.stdout.flush()
    os.execvp(words[0], words)
try:
    for act, *rest in acts:
        data = bytes.fromhex(rest[0]) if rest and isinstance(rest[0], str) else b""
        if act == "say":
            out.write(data * rest[1])
        elif act == "drip":
            for byte in data:
                out.write(bytes([byte]))
                out.flush()
        elif act == "dribble":
            for byte in data:
                out.write(bytes([byte]))
                out.flush()
                time.sleep(rest[1])
        elif act == "sleep":
            out.flush()
            time.sleep(rest[0])
        elif act == "exit":
            out.flush()
            os._exit(rest[0])
        elif act == "endless":
            while True:
                out.write(data * (65536 // len(data) + 1))
        elif act == "names":
            after, number = bytes.fromhex(rest[1]), 0
            while True:
                out.write(b"".join(data + b"%09d" % n + after for n in range(number, number + 5000)))
                number += 5000
    out.flush()
except BrokenPipeError:
    os._exit(1)
"""

_PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin")  # one that any account may run

Acts = Sequence[Sequence[object]] | str
REAL = "real"


def say(*data: bytes, times: int = 1) -> list[object]:
    """Bytes as they are."""
    return ["say", b"".join(data).hex(), times]


@dataclass
class Liar:
    """The lying master. ``host`` is a fresh machine that is to become ``bar`` and believes in it."""

    host: Host
    case: Path

    @property
    def asked(self) -> Path:
        """The commands it was asked for, a line each."""
        return self.case.with_name("case.asked")

    def plays(self, *, db: Acts = REAL, content: Acts = REAL, hg: Acts = REAL) -> None:
        """From now on this is what the three commands of a rebuild say."""
        self.asked.write_text("")
        self.case.write_text(json.dumps({"db": db, "content": content, "hg": hg}))
        self.case.chmod(0o644)


@contextmanager
def lying(server: Sshd, stage: Stage) -> Iterator[Liar]:
    """A liar on ``server`` with an account and a key of its own, which has the hosts of ``stage``."""
    with account(own("pacha_t_liar")) as made:
        folder = stage.folder / "liar"
        folder.mkdir(mode=0o755)
        (folder / "player").write_text(_PLAYER)
        key = make_key(folder / "key")
        (folder / "case.asked").touch()
        (folder / "case.asked").chmod(0o666)
        command = f"{_PYTHON} -I -S {folder}/player {folder}/case"
        server.authorize(made.name, Path(f"{key}.pub"), options=f'command="{command}"')
        host = Host(stage, stage.folder / "fresh", "bar")
        host.configure(ssh_user=made.name, ssh_key=str(key), ssh_timeout="3")
        _hand_over(stage.hosts, made)
        yield Liar(host, folder / "case")


def _hand_over(hosts: Path, to: Account) -> None:
    subprocess.run(["chown", "-R", f"{to.uid}:{to.gid}", hosts], check=True)


@dataclass(frozen=True)
class Measured:
    """A run of pacha, the seconds it took and the most memory that it had, in bytes."""

    done: Done
    seconds: float
    memory: int


#: Linux counts what a process had before exec(2) as its own, so that a run of pacha must not be begun by pytest, which
#: has grown by then, but by something small. How it ended, and the most memory (KiB), go to a file.
_MEASURE = """
import os, signal, sys
usual = [signal.SIGPIPE, signal.SIGXFSZ]
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ, setsigdef=usual)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, file=file)
"""


def measured(host: Host, *arguments: str | Path, **more: str) -> Measured:
    """Run pacha to its end and measure it."""
    out, err, measure = host.folder / "out", host.folder / "err", host.folder / "measure"
    began = time.monotonic()
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MEASURE, measure, PACHA, *arguments],
            env=host.environment(**more), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, check=True,
        )  # fmt: skip
    seconds = time.monotonic() - began
    code, memory = map(int, measure.read_text().split())
    return Measured(Done(code, out.read_text(), err.read_text()), seconds, memory * 1024)
