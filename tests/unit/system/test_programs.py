"""Programs of an administrator: which names count, how one ends, and that its time and its output are limited."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pacha.errors import Signalled
from pacha.system import descriptors, programs, signals
from pacha.system.programs import ProgramRun, environment, passed_over, run


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script"


def ran(script: Path, text: str, seconds: float = 20) -> ProgramRun:
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return run(script, environment(), seconds, script.parent)


@pytest.mark.parametrize("name", [b"10-a", b"a", b"Dump_1.sh"])
def test_what_is_named_as_a_program_is_one_if_it_is_executable(name: bytes) -> None:
    assert passed_over(name, 0o755) == passed_over(name, 0o100) == ""
    assert "executable" in passed_over(name, 0o644)


@pytest.mark.parametrize(
    "name",
    [b".a", b"a~", b"#a#", b"a b", b"-rf", b"", b"a\n", b"a\x1b", b"\xc3\xa4", b"a.bak", b"a.dpkg-old"],
)
def test_what_is_left_behind_or_odd_is_none(name: bytes) -> None:
    assert "name" in passed_over(name, 0o755)


@pytest.mark.parametrize(
    ("text", "failure"),
    [("true", ""), ("exit 3", "exit code 3"), ("kill -9 $$", "killed by signal 9"), ("kill $$", "killed by signal 15")],
)
def test_how_it_ended_is_told_with_what_it_said(script: Path, text: str, failure: str) -> None:
    assert ran(script, f"echo one; echo two >&2; {text}") == ProgramRun(failure, b"one\ntwo\n")


def test_what_cannot_be_started_is_a_failure(script: Path) -> None:
    assert ran(script, "").failure == ""
    script.write_bytes(b"\x01\x02 no program")
    assert run(script, {}, 20, script.parent).failure == "it cannot be started: exec format error"
    script.chmod(0o644)
    assert run(script, {}, 20, script.parent).failure == "it cannot be started: permission denied"
    assert run(Path("/nowhere"), {}, 20, script.parent).failure == "it cannot be started: no such file or directory"


def test_it_finds_the_environment_that_it_is_given_and_no_input(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/secret")
    monkeypatch.setattr(descriptors, "_given", 300)
    said = ran(script, "/usr/bin/env; pwd; cat; ulimit -n").output.decode().splitlines()
    names = {line.split("=")[0] for line in said if "=" in line}
    assert names - {"PWD", "_", "SHLVL", "OLDPWD"} == {"PATH", "HOME", "LANG"}
    assert said[-2:] == ["/", "300"]


def test_it_leads_a_session_of_its_own(script: Path) -> None:
    """So that Ctrl-C does not reach it beside Pacha, which ends it then."""
    assert int(ran(script, "cut -d' ' -f6 /proc/$$/stat").output) != os.getsid(0)


@pytest.mark.slow
def test_of_a_flood_the_end_is_kept_and_the_disk_is_not_filled(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_POLL_SECONDS", 0.05)
    flood = "head -c 30000000 /dev/zero | tr '\\0' x; sleep 1; stat -L -c ' %s' /proc/self/fd/1; echo end"
    output = ran(script, flood).output
    assert len(output) == programs.KEPT_BYTES and output.endswith(b"\nend\n")
    assert int(output.split()[-2]) < 1 << 20


def test_one_that_takes_too_long_may_clean_up(script: Path) -> None:
    began = time.monotonic()
    ended = ran(script, "trap 'echo cleaned; exit 1' TERM; echo begun; sleep 60 & wait", 0.3)
    assert ended == ProgramRun("it was still at work after 0.3 seconds and was killed", b"begun\ncleaned\n")
    assert time.monotonic() - began < 5


def test_then_it_is_killed_with_all_that_it_started(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_GRACE_SECONDS", 0.2)
    ended = ran(script, "trap '' TERM; echo $$; sleep 60 & sleep 60", 0.3)
    assert "was killed" in ended.failure
    gone(ended.output.split()[0].decode())


def test_what_goes_on_after_its_leader_is_killed_as_well(script: Path) -> None:
    ended = ran(script, "echo $$; (trap '' TERM; sleep 60; sleep 60) & sleep 60", 0.3)
    assert "was killed" in ended.failure
    gone(ended.output.split()[0].decode())


def test_an_exception_ends_it(script: Path) -> None:
    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    try:
        with pytest.raises(KeyboardInterrupt):
            ran(script, f"echo $$ >{script.parent}/pid; sleep 60")
    finally:
        signal.signal(signal.SIGALRM, before)
    gone((script.parent / "pid").read_text().strip())


def test_a_signal_that_comes_while_it_starts_ends_it(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be at work before the call that starts it has returned."""
    real = subprocess.Popen

    def slow(*arguments: object, **more: object) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = real(*arguments, **more)  # type: ignore[call-overload]
        signal.raise_signal(signal.SIGTERM)
        return process

    monkeypatch.setattr(subprocess, "Popen", slow)
    child = os.fork()
    if not child:
        signals.listen()
        try:
            ran(script, f"echo $$ >{script.parent}/pid; sleep 60")
        except Signalled as ended:
            os._exit(ended.number)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == signal.SIGTERM
    if (script.parent / "pid").exists():  # it may have been ended before it began
        gone((script.parent / "pid").read_text().strip())


def test_a_daemon_that_it_leaves_behind_keeps_nobody_waiting(script: Path) -> None:
    began = time.monotonic()
    assert ran(script, "echo started; setsid sleep 3 &") == ProgramRun("", b"started\n")
    assert time.monotonic() - began < 2.5


def gone(group: str) -> None:
    """Wait until nothing lives in a process group: a killed process may still be on its way out."""
    deadline = time.monotonic() + 10
    while _living(group):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _living(group: str) -> list[list[str]]:
    """The processes (proc_pid_stat(5)) of a process group that are not dead."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # gone meanwhile
            found.append(stat.read_text().rpartition(")")[2].split())
    return [fields for fields in found if fields[2] == group and fields[0] != "Z"]
