"""The tests that programs have for their own configuration."""

from __future__ import annotations

import pytest

from pacha.machine import config_checks
from pacha.machine.config_checks import CHECKS, concerned


def test_a_changed_file_is_tested_by_its_own_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_checks, "find_program", lambda name: f"/usr/sbin/{name}")
    changed = (b"/etc/ssh/sshd_config.d/own.conf", b"/etc/sudoers")
    assert [check.argv for check in concerned(changed)] == [("sshd", "-t"), ("visudo", "-c", "-q")]
    assert [check.units for check in concerned(changed)] == [{"ssh.service", "sshd.service"}, frozenset()]
    assert list(concerned((b"/etc/sshd", b"/srv/etc/ssh/sshd_config"))) == []


def test_a_service_that_does_not_run_is_tested_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_checks, "find_program", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr("os.path.isdir", lambda path: False)
    assert [check.argv[0] for check in concerned((b"/etc/ssh/sshd_config",))] == ["sshd"]


def test_what_is_not_installed_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_checks, "find_program", lambda name: "")
    assert list(concerned((b"/etc/ssh/sshd_config",))) == []


def test_every_row_is_complete() -> None:
    for check in CHECKS:
        assert check.sources and all(path.startswith(b"/etc/") for path in check.sources) and check.argv
        assert all(unit.endswith(".service") for unit in check.units)
