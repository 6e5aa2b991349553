"""Which package manager a system has."""

from __future__ import annotations

from pathlib import Path

from pacha.machine.packages import apt, rpm
from pacha.machine.packages.managers import manager_of
from tests.support.machines import write


def test_apt_first_then_dnf_then_none(tmp_path: Path) -> None:
    assert manager_of(tmp_path) is None
    write(tmp_path / "var/lib/rpm/rpmdb.sqlite", "x")
    assert manager_of(tmp_path) is None, "rpm is installed on a system of another manager"
    write(tmp_path / "etc/yum.repos.d/own.repo", "")
    write(tmp_path / "var/lib/dpkg/status", "")
    assert manager_of(tmp_path) is rpm
    write(tmp_path / "var/lib/dpkg/status", "Package: dpkg\n")
    assert manager_of(tmp_path) is apt
