"""Hooks: which files are any, in which order they run, with what, for how long, and what is kept of them."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from pacha.rebuild import hooks
from pacha.system import programs
from tests.support.hook_files import fetched, hook

ENVIRONMENT = {"PATH": programs.PATH, "PACHA_HOST": "bar"}


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


def test_one_that_never_ends_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACHA_HOOK_TIMEOUT", "0.5")
    hook(tmp_path, "10-a", "echo begun; sleep 60 & sleep 60")
    began = time.monotonic()
    assert run(tmp_path) == [("pacha_pre/10-a", "it was still at work after 0.5 seconds and was killed", b"begun\n")]
    assert time.monotonic() - began < 10


def test_what_a_killed_rebuild_left_of_them_is_swept(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "hooks-abc").mkdir()
    (tmp_path / "state" / "hooks-abc" / "x").write_text("left")
    with fetched(tmp_path) as found:
        assert not found
