"""A push that is disturbed anywhere: the client, the master's process or its session killed, the line cut or stalled.

The master stays whole, nothing that was acknowledged is lost, and the next run mends everything by itself.
PACHA_CUTS says how many points are tried (PACHA_SEED which); by default a few.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import sshd as server
from tests.support.amount import amount
from tests.support.cutter import Cutter
from tests.support.forced import Door
from tests.support.mercurial import run_hg
from tests.support.rebuilding import check_rebuild
from tests.support.stage import Host, Stage

pytestmark = [pytest.mark.soak, pytest.mark.slow]

CUTS = int(amount("PACHA_CUTS", sample=4, soak=200))
SEED = int(os.environ.get("PACHA_SEED", "7"))
#: Seconds of silence after which the client gives a line up, for these tests; and when the run must have ended.
STALL, END = 4, 30
_IMPATIENT = f"""
from pacha.wire.ssh import Connection
Connection.open.__func__.__kwdefaults__["stall"] = {STALL}.0
"""


def of_account(host: Host, wanted: Callable[[bytes], bool]) -> list[int]:
    """The processes of the master's account whose command line is ``wanted``."""
    found = []
    for pid in server._pids():
        with suppress(OSError):
            if server._uid_of(pid) == host.stage.account.uid and wanted(Path(f"/proc/{pid}/cmdline").read_bytes()):
                found.append(pid)
    return found


def is_session(command: bytes) -> bool:
    return command.startswith(b"sshd")


def is_mercurial(command: bytes) -> bool:
    return not is_session(command) and (b"--stdio" in command or b"--repository" in command or b"--control" in command)


def kill_on_master(host: Host, process: subprocess.Popen[bytes], wanted: Callable[[bytes], bool], after: float) -> None:
    """Kill what is ``wanted`` there, some time after it was first seen."""
    while process.poll() is None and not of_account(host, wanted):
        time.sleep(0.01)
    time.sleep(after)
    for pid in of_account(host, wanted):
        server._kill(pid)


def disturbed(host: Host, how: str, chance: random.Random, least: int) -> int:
    """Push ``least`` bytes or more while something happens; the exit code."""
    if how in ("cut", "stall"):
        line = (host.stage.server.address, host.stage.server.port)
        with Cutter(line, chance.randrange(3_000, 10_000 + least), stall_it=how == "stall") as relay:
            host.stage.server.trust(f"[127.0.0.1]:{relay.port}")
            host.configure(ssh_port=str(relay.port))
            try:
                return host.start("push").wait(END)
            finally:
                host.configure(ssh_port=str(host.stage.server.port))
    process = host.start("push")
    if how == "client":
        time.sleep(chance.uniform(0.1, 0.9))
        process.kill()
    else:
        kill_on_master(host, process, {"session": is_session, "mercurial": is_mercurial}[how], chance.uniform(0, 0.5))
    return process.wait(END)


def unfinished(host: Host) -> list[str]:
    """The transactions that are open on the master. (The lock of a dead process is broken when it is next needed.)"""
    return [str(path) for path in host.repository("").rglob("journal")]


def nodes(host: Host, name: str) -> set[str]:
    """Every revision that a repository of the master has."""
    return set(run_hg("-R", str(host.repository(name)), "log", "--template", "{node}\n").split())


@pytest.mark.timeout(60 + 20 * CUTS)
@pytest.mark.parametrize("kind", ["plain", "forced"])
def test_a_disturbed_push_is_mended_by_the_next(stage: Stage, door: Door, kind: str) -> None:
    host = door.host(stage) if kind == "forced" else stage.host("bar")
    host.program = door.program("impatient", _IMPATIENT)
    tree = stage.folder / "opt" / "foo"
    tree.mkdir(parents=True)
    host.watch(tree)
    chance, acknowledged, failures = random.Random(f"{SEED} {kind}"), set(), 0
    ways = ["client", "mercurial", "session", "cut", "stall"]
    for number in range(CUTS // 2):
        size = chance.choice([100, 20_000, 300_000])
        (tree / f"file {number % 7}").write_bytes(chance.randbytes(size))
        if disturbed(host, ways[number % len(ways)], chance, size) == 0:
            acknowledged.add(str(host.memory["tip"]))
        else:
            failures += 1
        time.sleep(0.1)
        done = host.pacha("push", "--wait", "10")
        assert done.code == 0, f"point {number} ({ways[number % len(ways)]}): {done}"
        acknowledged.add(str(host.memory["tip"]))
        assert unfinished(host) == [], f"point {number} ({ways[number % len(ways)]})"
        if number % 10 == 9 or number == CUTS // 2 - 1:
            assert acknowledged <= nodes(host, "db")
            host.verify_master()
    assert failures or CUTS < 20, "of a few, all may come before or after what matters"
    host.program = Host.program
    check_rebuild(host, tree)


@pytest.fixture(params=["plain", "forced"])
def waiting(request: pytest.FixtureRequest, stage: Stage, door: Door) -> Host:
    """A host that has pushed, and whose master does not wait as long for a lock as it would."""
    forced = request.param == "forced"
    soon = door.program("soon", "from pacha.store.hg import runtime\nruntime._LOCK_SECONDS = 2\n")
    host = door.host(stage, program=soon) if forced else stage.host("bar")
    foo = stage.folder / "opt" / "foo"
    foo.mkdir(parents=True)
    (foo / "one").write_text("one\n")
    host.watch(foo)
    host.push()
    (foo / "one").write_text("changed\n")
    return host


def lock(host: Host, holder: str) -> Path:
    """A lock on the master's repository, as Mercurial makes it (lock.py)."""
    path = host.repository("foo") / ".hg" / "store" / "lock"
    path.symlink_to(holder)
    return path


def test_the_lock_of_a_dead_process_heals(waiting: Host) -> None:
    with subprocess.Popen(["true"]) as process:
        dead = process.pid
    left = lock(waiting, f"{os.uname().nodename}/{os.stat('/proc/self/ns/pid').st_ino:x}:{dead}")
    waiting.push()
    assert not left.is_symlink()


def test_the_lock_of_another_machine_is_explained(waiting: Host, door: Door) -> None:
    left = lock(waiting, "elsewhere:4711")
    few = "from pacha.wire.ssh import Connection\nConnection.stream.__kwdefaults__['idle'] = 6.0\n"
    waiting.program = door.program("soon-too", few)
    done = waiting.push(code=1)
    assert "elsewhere" in done.err and "4711" in done.err and "lock" in done.err, done.err
    left.unlink()
    waiting.push()


def test_a_repository_that_was_made_by_half_is_made_again(stage: Stage, door: Door) -> None:
    """What ``hg init`` of an earlier Pacha leaves when it is killed."""
    host = door.host(stage)
    foo = stage.folder / "opt" / "foo"
    foo.mkdir(parents=True)
    host.watch(foo)
    half = host.repository("foo") / ".hg"
    (half / "store").mkdir(parents=True)
    (half / "00changelog.i").write_bytes(b"\0\0\0\2 dummy changelog\n")
    subprocess.run(["chown", "-R", stage.account.name, host.repository("foo")], check=True)
    (foo / "one").write_text("one\n")
    host.push()
    host.verify_master()


def test_a_host_that_died_in_the_middle_of_a_push_is_rebuilt(waiting: Host) -> None:
    """The lock of its last push is still there, and nobody will push again."""
    with subprocess.Popen(["true"]) as process:
        dead = process.pid
    left = lock(waiting, f"{os.uname().nodename}/{os.stat('/proc/self/ns/pid').st_ino:x}:{dead}")
    os.lchown(left, waiting.stage.account.uid, waiting.stage.account.gid)
    waiting.rebuild("--target", waiting.stage.folder / "out")
    assert (waiting.stage.folder / "out" / str(waiting.stage.folder / "opt" / "foo" / "one")[1:]).read_text() == "one\n"
