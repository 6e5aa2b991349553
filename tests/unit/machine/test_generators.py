"""What is made from configuration files, and only where its program is installed."""

from __future__ import annotations

import pytest

from pacha.machine import generators
from pacha.machine.generators import GENERATORS, concerned, find_program


@pytest.fixture(name="everything", autouse=True)
def every_program_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generators, "find_program", lambda name: f"/sbin/{name}")


def programs(*changed: bytes) -> list[str]:
    return [generator.argv[0] for generator in concerned(changed)]


def test_a_file_and_what_is_below_a_folder() -> None:
    assert programs(b"/etc/aliases") == ["newaliases"]
    assert programs(b"/etc/sysctl.d/90-own.conf", b"/etc/ld.so.conf.d/own.conf") == ["ldconfig", "sysctl"]
    assert programs(b"/etc/aliases.d", b"/etc/hosts", b"/opt/etc/aliases") == []


def test_accounts_come_before_the_folders_that_are_theirs() -> None:
    assert programs(b"/etc/tmpfiles.d/a", b"/etc/sysusers.d/a") == ["systemd-sysusers", "systemd-tmpfiles"]


def test_what_the_machine_boots_from_and_its_name_are_only_listed() -> None:
    listed = {generator.argv[0] for generator in GENERATORS if generator.is_listed}
    assert listed == {"update-initramfs", "dracut", "update-grub", "hostname"}


def test_what_nothing_obeys_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.exists", lambda path: path != "/run/udev/control")
    assert programs(b"/etc/udev/rules.d/10-own.rules", b"/etc/aliases") == ["newaliases"]


def test_without_its_program_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generators, "find_program", lambda name: "")
    assert programs(b"/etc/aliases") == []


def test_a_program_is_one_of_the_system() -> None:
    assert find_program("sh") in ("/usr/bin/sh", "/bin/sh") and find_program("no-such-program") == ""
