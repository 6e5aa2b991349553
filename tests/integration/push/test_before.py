"""Before-push programs of a real push: its exit code, who waits for whom, and what ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.before_push import program
from tests.support.stage import PACHA, Host, alone, said


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that watches a folder, and pushes to a folder."""
    host = alone(tmp_path)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "one").write_text("one\n")
    host.watch(tmp_path / "tree")
    return host


def wait_for(path: Path) -> str:
    """The content of ``path``, as soon as there is a line in it."""
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return path.read_text().strip()


def test_a_failure_is_exit_3_and_is_shown_until_it_is_gone(host: Host, tmp_path: Path) -> None:
    path = program(host.folder, "10-dump", f"echo half >{tmp_path}/tree/half; echo no such database >&2; exit 1")
    reason = "before-push.d/10-dump: failed before the push: exit code 1: no such database"
    done = host.push("-m", "why", code=3)
    said(done, reason)
    assert "3 added" in done.out, "it went on with what was there"
    assert reason in host.pacha("status").must(3).out
    assert "10-dump" in host.pacha("doctor").must(3).out
    said(host.pacha("-q", "push").must(3), reason)
    path.write_text("#!/bin/sh\necho a dump\n")
    host.push()
    assert reason not in host.pacha("status").out
    assert "pacha: a dump" in host.pacha("-v", "push").must().err.splitlines()
    assert "a dump" not in host.pacha("-qv", "push").must().err


@pytest.mark.usefixtures("as_root")
def test_what_another_user_could_change_does_not_run(host: Host, tmp_path: Path) -> None:
    path = program(host.folder, "theirs", f"touch {tmp_path}/ran")
    os.chown(path, 54001, 0)
    said(host.push(code=3), "theirs: not run before the push: it belongs to user 54001")
    os.chown(path, 0, 54001)
    path.chmod(0o775)
    said(host.push(code=3), "theirs: not run before the push: others may write to it")
    os.chown(path, 0, 0)
    path.chmod(0o755)
    os.chown(path.parent, 54001, 0)
    said(host.push(code=3), "before-push.d: not run before the push: it belongs to user 54001")
    assert not (tmp_path / "ran").exists()
    os.chown(path.parent, 0, 0)
    host.push()
    assert (tmp_path / "ran").exists()


def test_a_second_push_says_that_one_is_at_work(host: Host, tmp_path: Path) -> None:
    program(host.folder, "long", f"echo $$ >{tmp_path}/pid; while test ! -e {tmp_path}/on; do sleep 0.05; done")
    first = host.start("push")
    wait_for(tmp_path / "pid")
    said(host.pacha("push").must(12), "Another run of Pacha is at work")
    assert "Another push is at work." in host.pacha("push", "--due").must().out
    (tmp_path / "on").touch()
    assert first.wait(30) == 0
    host.push()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_push_and_all_that_it_started(host: Host, tmp_path: Path, number: int) -> None:
    text = f"trap 'rm {tmp_path}/new; exit 1' TERM; touch {tmp_path}/new; sleep 300 & echo $! >{tmp_path}/pid; wait"
    program(host.folder, "long", text)
    program(host.folder, "next", f"touch {tmp_path}/ran")
    push = host.start("push")
    pid = wait_for(tmp_path / "pid")
    push.send_signal(number)
    assert push.wait(10) == 128 + number
    assert not (tmp_path / "new").exists(), "it had no time to clean up"
    assert not (tmp_path / "ran").exists()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "interrupted" in host.pacha("status").must(3).out


def test_a_push_without_the_folder_asks_once_whether_it_is_there(host: Host, tmp_path: Path) -> None:
    host.push()
    log = tmp_path / "strace.txt"
    command = ["strace", "-f", "-e", "trace=%file", "-o", log, PACHA, "push"]
    subprocess.run(command, env=host.environment(), capture_output=True, check=True, stdin=subprocess.DEVNULL)
    assert log.read_text().count("before-push") == 1
