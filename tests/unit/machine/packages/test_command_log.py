"""Programs of a package manager: a clean environment, a log, an end in time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pacha.machine.packages import command_log
from pacha.machine.packages.command_log import CommandLog
from pacha.machine.packages.program import ProgramError
from pacha.system import activity


def test_what_it_says_goes_to_the_log_and_nothing_comes_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    log = CommandLog(log=tmp_path / "log")
    log.run(["sh", "-c", "read line || echo no input; env"], "trying")
    said = log.log.read_text()
    assert "no input\n" in said and "SECRET" not in said and "DEBIAN_FRONTEND=noninteractive" in said
    assert log.log.stat().st_mode & 0o777 == 0o600


def test_a_failure_is_told_with_its_own_last_line(tmp_path: Path) -> None:
    log = CommandLog(log=tmp_path / "log")
    log.run(["echo", "before"], "trying")
    with pytest.raises(ProgramError) as caught:
        log.run(["sh", "-c", "echo first; printf 'E: the \\033[31mlast\\n\\n'; exit 100"], "trying")
    assert caught.value.why == "sh: E: the \\x1b[31mlast"
    with pytest.raises(ProgramError, match="false: exit code 1"):
        log.run(["false"], "trying")
    with pytest.raises(ProgramError, match="cannot be started"):
        log.run(["no-such-program"], "trying")


def test_one_that_does_not_end_is_ended_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACHA_PACKAGES_TIMEOUT", "0.5")
    log = CommandLog(log=tmp_path / "log")
    with pytest.raises(ProgramError, match=r"still at work after 0\.5 seconds"):
        log.run(["sh", "-c", f"sleep 60 & echo $! >{tmp_path}/pid; wait"], "trying")
    pid = (tmp_path / "pid").read_text().strip()
    for _ in range(50):
        if not os.path.exists(f"/proc/{pid}") or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return
        time.sleep(0.1)
    raise AssertionError("what it started is still at work")


def test_a_lock_goes_to_what_is_started(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    CommandLog(log=tmp_path / "log", inherited=(fd,)).run(["readlink", f"/proc/self/fd/{fd}"], "trying")
    os.close(fd)
    assert f"\n{tmp_path}\n" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_one_that_fetches_nothing_more_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_log, "STALLED_SECONDS", 1.0)
    log, partial = CommandLog(log=tmp_path / "log"), tmp_path / "partial"
    partial.mkdir()
    grows = f"for i in 1 2 3 4 5 6; do sleep 0.4; echo more >>{partial}/file; done"
    log.run(["sh", "-c", grows], "fetching", [partial])
    with pytest.raises(ProgramError, match="nothing came for 1 seconds"):
        log.run(["sleep", "60"], "fetching", [partial])
    log.run(["sleep", "1.5"], "installing")


def test_what_is_shown_as_being_done_ends_with_it(tmp_path: Path) -> None:
    log = CommandLog(log=tmp_path / "log")
    log.run(["true"], "marking packages")
    assert activity.current().what == ""
    with pytest.raises(ProgramError):
        log.run(["false"], "marking packages")
    assert activity.current().what == ""
