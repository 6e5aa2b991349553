"""Root's programs after a push: what they are told, which are run, and that a failing one is only logged."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from pacha.server import on_push
from pacha.server.host_directory import HostDirectory
from pacha.wire import hook_files
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


@pytest.fixture(name="logged")
def system_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(on_push, "_log", lambda host, text: lines.append(f"{host}: {text}"))
    return lines


@pytest.fixture(name="folder")
def programs_folder(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of programs; whoever runs the tests counts as root."""
    checked = on_push.hook_files.owner_of
    monkeypatch.setattr(
        on_push.hook_files, "owner_of", lambda *statuses, trusted: checked(*statuses, trusted=(0, os.geteuid()))
    )
    made = hosts.top / "hosts/.hooks/on-push.d"
    made.mkdir(parents=True)
    for place in (made, made.parent, hosts.top / "hosts"):
        place.chmod(0o755)
    return made


def program(folder: Path, name: str, body: str, mode: int = 0o755) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(mode)


@pytest.mark.slow
def test_what_they_are_told(hosts: Hosts, folder: Path, tmp_path: Path, logged: list[str]) -> None:
    first = hosts.push("web1", {"motd": "a secret content\n"})
    hosts.push("web1", {"motd": "other\n", "in-between": "x"})
    tip = hosts.push("web1", {"motd": "other\n", "new": "y"})
    program(folder, "10-tell", f'cat > {tmp_path}/told; echo "$PACHA_HOST $PACHA_SNAPSHOT" > {tmp_path}/words')
    on_push.run(HostDirectory(hosts.hosts_path, "web1"), first, tip)
    text = (tmp_path / "told").read_text()
    told = json.loads(text)
    assert (told["host"], told["snapshot"], told["complete"]) == ("web1", tip, True) and "secret" not in text
    paths = {os.path.basename(one["path"]): one["change"] for one in told["paths"]}
    assert (paths["motd"], paths["new"], paths["in-between"]) == ("M", "A", "R")
    assert (tmp_path / "words").read_text() == f"web1 {tip}\n" and logged == []


def test_which_are_run(hosts: Hosts, folder: Path, tmp_path: Path, logged: list[str]) -> None:
    tip = hosts.push("web1", {"motd": "x"})
    touch = f"touch {tmp_path}/$(basename $0)"
    program(folder, "20-fails", "echo no room; exit 3")
    program(folder, "30-runs", touch)
    program(folder, "40-not-executable", touch, 0o644)
    program(folder, "50-open", touch, 0o777)
    program(folder, "60-copy.bak", touch)
    (folder / "70-link").symlink_to(folder / "30-runs")
    (folder / "80-folder").mkdir()
    on_push.run(HostDirectory(hosts.hosts_path, "web1"), "", tip)
    assert [path.name for path in tmp_path.iterdir() if path.name[0].isdigit()] == ["30-runs"]
    assert len(logged) == 2 and "50-open is not run" in logged[0] and "exit code 3: no room" in logged[1]


def test_a_folder_that_others_may_write(hosts: Hosts, folder: Path, tmp_path: Path, logged: list[str]) -> None:
    program(folder, "10-runs", f"touch {tmp_path}/ran")
    folder.chmod(0o777)
    on_push.run(HostDirectory(hosts.hosts_path, "web1"), "", hosts.push("web1", {"motd": "x"}))
    assert not (tmp_path / "ran").exists() and len(logged) == 1


@pytest.mark.slow
def test_time_limit(
    hosts: Hosts, folder: Path, tmp_path: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_push, "SECONDS", 0.3)
    program(folder, "10-hangs", "sleep 60")
    on_push.run(HostDirectory(hosts.hosts_path, "web1"), "", hosts.push("web1", {"motd": "x"}))
    assert len(logged) == 1 and "still at work" in logged[0]


def appears(path: Path) -> bool:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.exists()


def test_nobody_waits_for_them(hosts: Hosts, folder: Path, tmp_path: Path) -> None:
    tip = hosts.push("web1", {"motd": "x"})
    wait = f"for i in $(seq 200); do [ -e {tmp_path}/go ] && break; sleep 0.05; done"
    program(folder, "10-slow", f"{wait}; touch {tmp_path}/ran")
    on_push.begin(HostDirectory(hosts.hosts_path, "web1"), "", tip)
    on_push.begin(HostDirectory(hosts.hosts_path, "web1"), "", "f" * 40)  # a snapshot that is not there: only logged
    assert not (tmp_path / "ran").exists()
    (tmp_path / "go").touch()
    assert appears(tmp_path / "ran")


@pytest.mark.slow
def test_the_first_of_those_that_push_is_the_one_that_waits(
    hosts: Hosts, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever process begins first: what came before the second one's push would be told by nobody."""
    begun = Mock(wraps=on_push.child.run_alone)
    monkeypatch.setattr(on_push.child, "run_alone", begun)
    wait = f"touch {tmp_path}/at-work; for i in $(seq 400); do [ -e {tmp_path}/go ] && break; sleep 0.05; done"
    program(folder, "10-slow", f"{wait}; cat > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/$PACHA_SNAPSHOT")
    files = {"motd": "1"}
    tips = [hosts.push("web1", files)]
    on_push.begin(HostDirectory(hosts.hosts_path, "web1"), "", tips[0])
    assert appears(tmp_path / "at-work")
    for number in range(4):
        files[f"new{number}"] = "x"
        tips.append(hosts.push("web1", files))
        on_push.begin(HostDirectory(hosts.hosts_path, "web1"), tips[-2], tips[-1])
        on_push.begin(HostDirectory(hosts.hosts_path, "web1"), tips[-1], "f" * 40)
    assert begun.call_count == 2
    (tmp_path / "go").touch()
    assert appears(tmp_path / tips[-1])
    told = {os.path.basename(one["path"]) for one in json.loads((tmp_path / tips[-1]).read_text())["paths"]}
    assert {f"new{number}" for number in range(4)} <= told  # none is lost


@pytest.mark.slow
def test_change_lists_without_end(hosts: Hosts, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_push, "_MOST_BYTES", 500)
    first = hosts.push("web1", {"motd": "a\n"})
    hosts.push("web1", {f"file{number}": "x" for number in range(50)})
    tip = hosts.push("web1", {"motd": "b\n"} | {f"file{number}": "x" for number in range(50)})
    program(folder, "10-tell", f"cat > {tmp_path}/told")
    on_push.run(HostDirectory(hosts.hosts_path, "web1"), first, tip)
    assert json.loads((tmp_path / "told").read_text())["complete"] is False


def test_wanted(hosts: Hosts) -> None:
    assert not hook_files.runs_on_push(hosts.hosts_path)
