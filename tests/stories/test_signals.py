"""Ended by a signal, or by a terminal that is gone, a rebuild says in one line how things stand."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.amount import amount, by_turns
from tests.support.stage import PACHA, Host, alone, messages, picture

pytestmark = [pytest.mark.soak, pytest.mark.usefixtures("as_root")]
ROUNDS = int(amount("PACHA_ROUNDS", sample=3, soak=200))
#: changing calls at which the signal comes, and what is said then
MOMENTS = {
    "mkdir:when=1": "Nothing was changed.",
    "mkdir:when=2": "Nothing was changed.",  # the folder for what is fetched
    "fchown:when=5": "Nothing was changed.",
    "syncfs:when=1": "Nothing was changed.",
    "linkat:when=5": "Some paths are as in the snapshot and some as before",
    "renameat:when=5": "Some paths are as in the snapshot and some as before",
    "unlink:when=1": "All files are in place",
    "unlinkat:when=1": "All files are in place",  # what was fetched, in the clear
}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return alone(tmp_path)


@pytest.fixture
def foo(host: Host, tmp_path: Path) -> Path:
    """Forty files, each of which is not as it was pushed."""
    foo = tmp_path / "opt" / "foo"
    foo.mkdir(parents=True)
    for number in range(40):
        (foo / f"{number:02d}").write_text(f"new {number}")
    host.watch(foo)
    host.push()
    spoil(foo)
    host.forget()
    return foo


def spoil(foo: Path) -> None:
    shutil.rmtree(foo)
    foo.mkdir()
    for number in range(40):
        (foo / f"{number:02d}").write_text(f"old {number}")


def each_is_whole(foo: Path) -> None:
    for number in range(40):
        assert (foo / f"{number:02d}").read_text() in (f"old {number}", f"new {number}")


@pytest.mark.parametrize("words", [["rebuild", "bar", "--yes"], ["push"]])
def test_nobody_waits_for_masters_that_are_silent(host: Host, foo: Path, words: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host.configure(host="127.0.0.1, localhost", ssh_user="nobody", ssh_port=str(silent.getsockname()[1]))
        host.watch(foo)
        silent.settimeout(20)
        with subprocess.Popen(
            [PACHA, *words], env=host.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as run:
            line, _ = silent.accept()  # and not a word
            run.terminate()
            said = run.communicate(timeout=5)[1].decode()
            line.close()
    assert run.returncode == 128 + signal.SIGTERM and ("Nothing was changed." in said) == (words[0] == "rebuild")


@pytest.mark.parametrize(
    ("moment", "name"), by_turns([(moment, name) for name in ("INT", "TERM", "HUP") for moment in MOMENTS], 3)
)
def test_at_each_stage_the_line_is_true(host: Host, foo: Path, moment: str, name: str) -> None:
    before = picture(foo)
    call = moment.partition(":")[0]
    command = ["strace", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={moment}:signal=SIG{name}"]
    command += ["-P", host.state / "pacha.db-journal"] if call == "unlink" else []  # what is done when all is in place
    done = subprocess.run(
        [*command, PACHA, "rebuild", "bar", "--yes"], env=host.environment(), capture_output=True, timeout=60
    )
    said = done.stderr.decode()
    assert done.returncode == 128 + getattr(signal, f"SIG{name}"), said
    assert MOMENTS[moment] in said and "Traceback" not in said
    assert os.listdir(host.temporary) == []
    each_is_whole(foo)
    if MOMENTS[moment] == "Nothing was changed.":
        assert picture(foo) == before and not list(foo.parent.glob(".pacha-*"))
        host.pacha("undo").must(1)
    else:
        host.pacha("undo").must()
        assert picture(foo) == before
    host.rebuild()
    assert (foo / "07").read_text() == "new 7"


def test_at_any_time(host: Host, foo: Path) -> None:
    chance = random.Random(1)
    for _ in range(ROUNDS):
        number = chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        process = host.start("rebuild", "bar", "--yes", stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0.05, 0.8))
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        # Before Python runs, the signal is the kernel's; while it starts, before the first line of Pacha, Python's.
        is_pythons = process.returncode == 1 and said.startswith((b"Fatal Python error: init_", b"KeyboardInterrupt\n"))
        assert is_pythons or process.returncode in (0, 128 + number, -number), said
        assert os.listdir(host.temporary) == []
        each_is_whole(foo)
        host.rebuild()
        assert (foo / "39").read_text() == "new 39"
        spoil(foo)
        host.forget()


@pytest.mark.parametrize("lines", [0, 1, 30])
def test_an_output_that_nobody_reads_any_more(host: Host, foo: Path, lines: int) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [PACHA, "-v", "rebuild", "bar", "--yes"], env=host.environment(), stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    with open(reader, "rb") as stream:
        for _ in range(lines):
            stream.readline()
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode in (0, 128 + signal.SIGPIPE), said
    assert "Traceback" not in said and os.listdir(host.temporary) == []
    if process.returncode:
        assert "ended by SIGPIPE" in said and len(messages(said.strip())) <= 3
    each_is_whole(foo)
    host.rebuild()


def into_full(host: Host, *words: str, stream: str = "stdout") -> tuple[int, str]:
    """Run it with a standard stream that takes nothing; its exit code and what the other one got."""
    with open("/dev/full", "wb") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: full}
        done = subprocess.run([PACHA, *words], env=host.environment(), timeout=60, **streams)
    said = (done.stdout or b"").decode() + (done.stderr or b"").decode()
    assert "Traceback" not in said and os.listdir(host.temporary) == []
    return done.returncode, said


def test_an_output_that_takes_nothing(host: Host, foo: Path) -> None:
    before = picture(foo)
    code, said = into_full(host, "rebuild", "bar", "--yes")
    assert code == 1 and "Nothing was changed. Fix that and run this again.\n" in said and picture(foo) == before
    code, said = into_full(host, "rebuild", "bar", "--yes", "--json")
    assert code == 3 and (foo / "07").read_text() == "new 7"
    assert said.startswith("pacha: All files are in place and this machine goes on as 'bar', but ")
    assert "No space left on device" in said and f"Report: {host.state}/rebuilds/" in said
    code, said = into_full(host, "undo")
    assert code == 3 and said.startswith("pacha: The rebuild is undone, but") and picture(foo) == before
    assert into_full(host, "undo", stream="stderr") == (1, "")


def test_who_starts_it_may_ignore_that_processes_end(host: Host, foo: Path) -> None:
    """A supervisor, or a shell after ``trap '' CHLD``: that is inherited, and no process can be waited for then."""
    done = subprocess.run(
        [PACHA, "rebuild", "bar", "--yes"], env=host.environment(), capture_output=True, stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {file.read_text() for file in foo.iterdir()} == {f"new {number}" for number in range(40)}
    assert not [name for name in os.listdir(host.temporary) if name.startswith("pacha-")]
