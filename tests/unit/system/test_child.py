"""Work in a child: what comes of it and how it ended, within limits, and nothing of the parent's is run there."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.system import child


def me() -> pwd.struct_passwd:
    return pwd.struct_passwd(("me", "x", os.geteuid(), os.getegid(), "", "/", "/bin/sh"))


def forever() -> bytes:
    time.sleep(60)
    return b"too late"


def test_what_it_gives_comes_back_whole() -> None:
    data = os.urandom(300_000)  # more than a pipe holds
    assert child.run_in_child(lambda: data) == (data, 0)
    assert child.run_in_child(lambda: b"") == (b"", 0)


def test_it_is_another_process_and_changes_nothing_here() -> None:
    seen: list[int] = []

    def work() -> bytes:
        seen.append(os.getpid())
        return str(os.getpid()).encode()

    said, _ = child.run_in_child(work)
    assert int(said) != os.getpid() and seen == []


def test_no_more_than_was_asked_for() -> None:
    said, _ = child.run_in_child(lambda: bytes(1 << 20), seconds=30, most=1000)
    assert said == bytes(1000)


def test_one_that_takes_too_long_is_killed() -> None:
    began = time.monotonic()
    said, status = child.run_in_child(forever, seconds=0.2)
    assert said == b"" and os.WTERMSIG(status) == signal.SIGKILL
    assert time.monotonic() - began < 20


def test_an_error_in_it_is_nothing_given_and_does_not_leave_the_child(capfd: pytest.CaptureFixture[str]) -> None:
    assert child.run_in_child(lambda: b"%d" % (1 // 0)) == (b"", 0)
    assert child.run_in_child(lambda: sys.exit(3)) == (b"", 0)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_what_is_buffered_here_is_printed_once() -> None:
    script = "import sys\nfrom pacha.system import child\nprint('once')\n"
    script += "child.run_in_child(lambda: sys.stdout.flush() or b'')"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "once\n"


def test_no_process_and_no_descriptor_is_left() -> None:
    before = os.listdir("/proc/self/fd")
    child.run_in_child(lambda: b"x", seconds=5)
    assert os.listdir("/proc/self/fd") == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_for_the_user_that_we_are_it_is_done_here() -> None:
    assert child.run_as(me(), os.getpid) == os.getpid()
    with pytest.raises(ZeroDivisionError):
        child.run_as(me(), lambda: 1 // 0)


def test_what_a_user_may_not_become_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    other = pwd.struct_passwd(("other", "x", 54322, 54322, "", "/", "/bin/sh"))
    with pytest.raises(PachaError) as caught:
        child.run_as(other, lambda: pytest.fail("it was done"))
    assert caught.value.code == "other-account-needed"


def test_nobody_waits_for_work_alone(tmp_path: Path) -> None:
    def work() -> None:
        until = time.monotonic() + 20
        while not (tmp_path / "go").exists() and time.monotonic() < until:
            time.sleep(0.02)
        print("not to be seen")
        (tmp_path / "new").write_text(f"{os.getsid(0)} {os.readlink('/proc/self/fd/1')}")
        (tmp_path / "new").rename(tmp_path / "done")
        raise ValueError

    child.run_alone(work)
    assert not (tmp_path / "done").exists()
    (tmp_path / "go").touch()
    began = time.monotonic()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    while not (tmp_path / "done").exists() and time.monotonic() - began < 20:
        time.sleep(0.02)
    session, output = (tmp_path / "done").read_text().split()
    assert int(session) != os.getsid(0) and output == "/dev/null"
