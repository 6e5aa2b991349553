"""The doctor of a master: what stops its hosts, and who is late."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from pacha.host.doctor_check import Check
from pacha.server import doctor
from tests.support.heartbeats import leave_heartbeat


def checks(hosts: Path) -> dict[str, Check]:
    return {check.about: check for check in doctor.inspect(os.fsencode(hosts))}


@pytest.fixture(name="hosts")
def hosts_of_a_master(tmp_path: Path) -> Path:
    folder = tmp_path / "hosts"
    folder.mkdir(mode=0o755)
    return folder


def test_a_master_without_hosts_is_told_how_to_let_one_in(hosts: Path) -> None:
    found = checks(hosts)
    assert "a master" in found["role"].result and "pacha add-host" in found["hosts"].cure
    assert not found["hosts folder"].code or os.geteuid() != 0


def test_a_folder_that_is_missing_open_or_closed_is_named(hosts: Path) -> None:
    for mode, words in ((0o777, "may write"), (0o700, "cannot enter")):
        hosts.chmod(mode)
        if os.geteuid() == 0 or mode == 0o777:
            assert words in checks(hosts)["hosts folder"].result
    assert "add-host" in checks(hosts / "absent")["hosts folder"].cure


def test_who_is_late_is_counted(hosts: Path) -> None:
    leave_heartbeat(hosts / "bar", time.time())
    assert not checks(hosts)["hosts"].code
    leave_heartbeat(hosts / "foo", time.time() - 90 * 86400)
    assert checks(hosts)["hosts"].result == "1 of 2 need a look: foo"
    (hosts / "foo" / "last-push").unlink()
    assert checks(hosts)["hosts"].code


def test_folders_of_root_alone_and_of_nobody_are_named(hosts: Path) -> None:
    leave_heartbeat(hosts / "bar", time.time())
    if os.geteuid() != 0:
        return
    assert "root's" in checks(hosts)["accounts"].result
    os.chown(hosts / "bar", 71234, 71234)
    assert "no account" in checks(hosts)["accounts"].result


def test_a_server_that_is_installed_must_answer(hosts: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "sshd"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    program.write_text(f"#!/bin/sh\necho listenaddress 127.0.0.1:{port}\n")
    program.chmod(0o755)
    monkeypatch.setattr(doctor, "_SERVERS", (str(program),))
    found = checks(hosts)["SSH server"]
    assert found.code and f"port {port}" in found.result and "systemctl" in found.cure
    monkeypatch.setattr(doctor.listening, "answers", lambda at: ("127.0.0.1", port) in at)
    assert checks(hosts)["SSH server"].result == f"it answers at port {port}"
    monkeypatch.setattr(doctor, "_SERVERS", (str(tmp_path / "absent"),))
    assert "SSH server" not in checks(hosts) and "no SSH server" in checks(hosts)["programs"].result
