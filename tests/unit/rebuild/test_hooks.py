"""Hooks: which files are any, in which order they run, with what, for how long, and what is kept of them."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pacha.rebuild import hooks
from pacha.system import descriptors
from tests.support.hook_files import fetched, hook

ENVIRONMENT = {"PATH": hooks.PATH, "PACHA_HOST": "bar"}


def run(tmp_path: Path) -> list[tuple[str, str, bytes]]:
    with fetched(tmp_path) as found:
        return [(ran.label, ran.failure, ran.output) for ran in hooks.run(found.before, ENVIRONMENT, lambda ran: None)]


def test_no_folder_means_no_hooks(tmp_path: Path) -> None:
    with fetched(tmp_path) as found:
        assert not found


def test_they_run_in_the_order_of_their_names_up_to_one_that_fails(tmp_path: Path) -> None:
    for name, text in (("20-b", "echo b; exit 3"), ("9-z", "echo z"), ("10-a", "echo a"), ("B", "echo B"), ("a", "x")):
        hook(tmp_path, name, text)
    hook(tmp_path, "10-after", "true", folder="pacha_post")
    assert run(tmp_path) == [("pacha_pre/10-a", "", b"a\n"), ("pacha_pre/20-b", "exit code 3", b"b\n")]
    with fetched(tmp_path) as found:
        assert [one.label for one in found.before] == [f"pacha_pre/{n}" for n in ("10-a", "20-b", "9-z", "B", "a")]
        assert [one.label for one in found.after] == ["pacha_post/10-after"]


def test_what_is_no_hook_is_passed_over_and_told(tmp_path: Path) -> None:
    hook(tmp_path, "10-a", "true")
    hook(tmp_path, "10-off", "true", mode=0o644)
    for name in (".hidden", "10-a~", "10-a.bak", "with space", "10-a.dpkg-old", "-rf"):
        hook(tmp_path, name, "touch /nowhere")
    (tmp_path / ".hooks" / "bar" / "pacha_pre" / "folder").mkdir()
    os.mkfifo(tmp_path / ".hooks" / "bar" / "pacha_pre" / "fifo")
    with fetched(tmp_path) as found:
        assert [one.label for one in found.before] == ["pacha_pre/10-a"]
        assert len(found.passed_over) == 7 and "pacha_pre/10-off: it is not executable" in found.passed_over


def test_its_hash_and_its_owner_are_known_beforehand(tmp_path: Path) -> None:
    path = hook(tmp_path, "10-a", "true")
    with fetched(tmp_path) as found:
        (one,) = found.before
        assert (one.sha256, one.owner) == (hashlib.sha256(path.read_bytes()).hexdigest(), "root")
        assert one.path.stat().st_mode & 0o777 == 0o700


def test_it_may_have_as_many_files_open_as_pacha_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook(tmp_path, "10-a", "ulimit -n")
    monkeypatch.setattr(descriptors, "_given", 300)
    assert run(tmp_path) == [("pacha_pre/10-a", "", b"300\n")]


def test_it_finds_the_documented_environment_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/secret")
    monkeypatch.setenv("LD_PRELOAD", "")
    hook(tmp_path, "10-a", "/usr/bin/env; pwd; cat; echo done >&2")
    environment = hooks.environment("bar", "ab" * 20, b"/srv/x", (b"/etc/a", b"/etc/b"))
    with fetched(tmp_path) as found:
        (ran,) = hooks.run(found.before, environment, lambda ran: None)
    said = ran.output.decode().splitlines()
    assert {line.split("=")[0] for line in said if "=" in line} - {"PWD", "_", "SHLVL", "OLDPWD"} == set(environment)
    assert "PACHA_TARGET=/srv/x" in said and said[-2:] == ["/", "done"]


def test_one_that_never_ends_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACHA_HOOK_TIMEOUT", "0.5")
    hook(tmp_path, "10-a", f"echo $$ > {tmp_path}/pid; sleep 60 & sleep 60")
    began = time.monotonic()
    ((_, failure, _),) = run(tmp_path)
    assert failure == "it was still at work after 0.5 seconds and was killed"
    assert time.monotonic() - began < 10
    group = (tmp_path / "pid").read_text().strip()
    deadline = time.monotonic() + 10  # a killed process may still be on its way out
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


def test_a_daemon_that_it_leaves_behind_keeps_nobody_waiting(tmp_path: Path) -> None:
    hook(tmp_path, "10-a", f"echo started; setsid sleep 3 & echo $! > {tmp_path}/pid")
    began = time.monotonic()
    assert run(tmp_path) == [("pacha_pre/10-a", "", b"started\n")]
    assert time.monotonic() - began < 2.5


def test_what_cannot_be_started_is_a_failure(tmp_path: Path) -> None:
    path = hook(tmp_path, "10-a", "")
    path.write_bytes(b"\x01\x02 no program")
    path.chmod(0o755)
    ((_, failure, _),) = run(tmp_path)
    assert failure == "it cannot be started: exec format error"


def test_of_a_flood_the_end_is_kept(tmp_path: Path) -> None:
    hook(tmp_path, "10-a", "seq 1 100000; kill -9 $$")
    ((_, failure, output),) = run(tmp_path)
    assert failure == "killed by signal 9"
    assert len(output) == hooks.KEPT_BYTES and output.endswith(b"100000\n")


def test_what_a_killed_rebuild_left_of_them_is_swept(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "hooks-abc").mkdir()
    (tmp_path / "state" / "hooks-abc" / "x").write_text("left")
    with fetched(tmp_path) as found:
        assert not found
