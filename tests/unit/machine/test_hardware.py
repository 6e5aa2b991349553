"""Whether a machine is the recorded one, and what a file refers to that is not here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacha.machine import disks, hardware
from pacha.machine.facts import Card, Facts
from pacha.machine.inventory import Inventory
from pacha.machine.volumes import Volume
from tests.support import machines

BAR = Facts(
    architecture="x86_64",
    virtualisation="KVM",
    cards=(Card(name="eth0", mac="52:54:00:00:00:01"), Card(name="eth1", mac="52:54:00:00:00:02")),
    volumes=(Volume(device="sda1", uuid="one"), Volume(device="sdb1", uuid="two")),
)
CONTAINER = Facts(architecture="x86_64", virtualisation="lxc")


@pytest.mark.parametrize(
    "here",
    [
        BAR,
        replace(BAR, kernel="7", hostname="other", virtualisation="QEMU"),
        replace(BAR, cards=BAR.cards[1:]),
        replace(BAR, volumes=(Volume(device="sda1", uuid="two"), Volume(device="sdc", uuid="new"))),
    ],
)
def test_the_same_machine(here: Facts) -> None:
    assert hardware.same(BAR, here) and hardware.same(here, BAR)


@pytest.mark.parametrize(
    "here",
    [
        replace(BAR, architecture="aarch64"),
        replace(BAR, cards=(Card(name="eth0", mac="52:54:00:00:00:09"),)),
        replace(BAR, cards=()),
        replace(BAR, volumes=(Volume(device="sda1", uuid="three"),)),
        replace(BAR, volumes=None),
        CONTAINER,
    ],
)
def test_another_machine(here: Facts) -> None:
    assert not hardware.same(BAR, here) and not hardware.same(here, BAR)


def test_a_system_installed_anew_on_the_same_disk_and_card_is_another_machine() -> None:
    disk = Volume(device="sda", ids=("ata-disk-1",))
    before = replace(BAR, volumes=(disk, Volume(device="sda1", uuid="old", partuuid="1-1", mounted=("/",))))
    after = replace(BAR, volumes=(disk, Volume(device="sda1", uuid="new", partuuid="1-1", mounted=("/",))))
    assert not hardware.same(before, after) and hardware.same(before, before)
    rescue = replace(before, volumes=(disk, Volume(device="sda1", uuid="old"), Volume(device="sr", uuid="live")))
    assert hardware.same(before, rescue)


def test_containers_are_the_same_where_they_are_of_one_kind() -> None:
    assert hardware.same(CONTAINER, CONTAINER)
    assert not hardware.same(CONTAINER, replace(CONTAINER, virtualisation="docker"))


def test_what_is_not_here_is_named(tmp_path: Path) -> None:
    inventory = Inventory(root=machines.machine(tmp_path), running=tmp_path)
    text = b"".join(b"UUID=dead-%d /%d ext4\n" % (number, number) for number in range(5))
    found = hardware.examine(disks.fstab, "/etc/fstab", text, inventory)
    assert str(found) == "UUID=dead-0, UUID=dead-1, UUID=dead-2 and 2 more are not here" and found
    one = hardware.examine(disks.fstab, "/etc/fstab", b"UUID=a\x1bb / ext4\n", inventory)
    assert str(one) == "UUID=a?b is not here"
    assert not hardware.examine(disks.fstab, "/etc/fstab", f"UUID={machines.UUID} / ext4\n".encode(), inventory)


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    found = hardware.examine(disks.fstab, "/etc/fstab", b"UUID=a / ext4\n", Inventory(root=tmp_path, running=tmp_path))
    assert str(found) == "it cannot be told here whether there is UUID=a"
    assert str(hardware.examine(disks.fstab, "/etc/fstab", b"\0", Inventory())) == "it is no text"
