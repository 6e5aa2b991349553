"""Who forgot sudo is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.machine import Machine, Person


@pytest.fixture
def machine(open_folder: Path, as_root: None) -> Machine:
    """One with the user 1000, where Pacha looks for everything in the usual places."""
    made = Machine(
        open_folder, [Person("ann", 1000, "/home/ann")], {"PACHA_CONFIG": "", "PACHA_STATE": "", "HOME": "/home/ann"}
    )
    made.write("/home/ann", 1000, 1000, 0o755, folder=True)
    return made


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_user_is_told_that_the_configuration_is_roots(machine: Machine, mode: int) -> None:
    machine.write("/etc/pacha/pacha.conf", text="[DEFAULT]\npacha.host = local\npacha.hosts.path = /master\n")
    machine.at("/etc/pacha").chmod(mode)
    for command in (["push"], ["status"], ["rebuild", "bar"], ["hosts"]):
        done = machine.pacha(*command, code=10, number=1000)
        assert "configured for root" in done.err and "sudo" in done.err and "W A R N I N G" not in done.err
    assert (
        "sudo pacha" in machine.pacha(number=1000).out and "sudo" in machine.pacha("doctor", code=10, number=1000).out
    )
    machine.pacha("hosts")


def test_one_whose_machine_has_none_is_led_to_init(machine: Machine) -> None:
    assert "pacha init" in machine.pacha("push", code=10, number=1000).err
    machine.write("/home/ann/.config/pacha/pacha.conf", 1000, 1000, text="[DEFAULT]\npacha.host = local\n")
    machine.write("/etc/pacha/pacha.conf", text="[DEFAULT]\n")
    assert "configured for root" not in machine.pacha("status", code=3, number=1000).out


def test_what_belongs_on_the_other_side_says_so(machine: Machine) -> None:
    config = machine.write("/etc/pacha/pacha.conf", text="[DEFAULT]\npacha.host = m.example.com\n")
    for command in (["hosts"], ["check"], ["add-host", "foo"]):
        assert "belongs on the master" in machine.pacha(*command, code=2).err
    assert not machine.at("/pacha").exists()
    config.write_text("[DEFAULT]\n")
    machine.at("/pacha/hosts").mkdir(parents=True)
    for made in ("/pacha", "/pacha/hosts"):
        machine.at(made).chmod(0o755)
    done = machine.pacha("doctor", code=3)
    assert "a master" in done.out and "pacha add-host" in done.out and "pacha.host is not set." not in done.out
    assert "pacha.host is not set" in machine.pacha("schedule", "install", "--cron", code=10).err
    assert not machine.at("/etc/cron.d/pacha").exists()
    config.unlink()
    assert "a master" in machine.pacha("doctor", code=3).out
