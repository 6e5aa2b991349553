"""What a machine is, read from its files; as text and back; and what other text is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pacha.errors import DamagedError
from pacha.machine import facts
from pacha.machine.facts import Card, Facts
from tests.support import machines


def test_a_machine_tells_what_it_is(tmp_path: Path) -> None:
    made = facts.collect(machines.machine(tmp_path), tmp_path)
    volumes = made.volumes or ()
    assert replace(made, volumes=(), architecture="") == Facts(
        distribution="debian",
        version="12",
        codename="bookworm",
        kernel="6.1.0-18-amd64",
        firmware="uefi",
        virtualisation="QEMU Standard PC",
        hostname="bar",
        cards=(Card(name="enp1s0", mac="52:54:00:aa:bb:01", driver="virtio_net"),),
        volumes=(),
        foreign_architectures=("i386",),
        statoverrides=("root ssl-cert 710 /etc/ssl/private",),
        diversions=("/bin/a -> /bin/a.real",),
    )
    assert [volume.uuid for volume in volumes] == [machines.UUID, "5AB6-2C11", ""]


def veth(root: Path) -> None:
    machines.write(root / "sys/class/net/veth12/address", "02:00:00:00:00:01\n")


def plugged_card(root: Path) -> None:
    machines.card(root, "enx0200", "02:00:00:00:00:02")
    device = root / "sys/class/net/enx0200/device"
    machines.write(root / "sys/devices/usb1/1-4/removable", "removable\n")
    (root / "sys/devices/usb1/1-4/1-4:1.0").mkdir()
    (device / "driver").unlink()
    device.rmdir()
    machines.link(device, "../../../devices/usb1/1-4/1-4:1.0")


def card_for_a_guest(root: Path) -> None:
    machines.card(root, "enp1s0v0", "02:00:00:00:00:03")
    machines.write(root / "sys/class/net/enp1s0v0/device/physfn", "")


def usb_disk(root: Path) -> None:
    machines.device(root, "sdc", disk="pci0/usb1/1-1", by_id="usb-disk_of_1_TB", by_uuid="aaaa")


def memory_card(root: Path) -> None:
    machines.device(root, "mmcblk1", by_id="mmc-1")
    machines.write(root / "sys/devices/mmcblk1/device/type", "SD\n")


def opened_stick(root: Path) -> None:
    machines.device(root, "dm-3", by_id="dm-name-stick", by_uuid="bbbb")
    machines.write(root / "sys/devices/dm-3/slaves/sdb1", "")


def image(root: Path) -> None:
    machines.device(root, "loop7", by_uuid="of an image")


def mounted_at_need(root: Path) -> None:
    fstab = root / "etc/fstab"
    fstab.write_text(f"{fstab.read_text()}UUID={machines.UUID} /net ext4 noauto,x-systemd.automount\n")
    table = root / "proc/self/mountinfo"
    rows = [f"{number} 21 254:2 / {path} rw - ext4 /dev/vda2 rw\n" for number, path in ((30, "/net"), (31, "/media/x"))]
    table.write_text(table.read_text() + "".join(rows))


def named_by_the_network(root: Path) -> None:
    machines.write(root / "etc/hostname", "bar\n")
    (root / "proc/sys/kernel/hostname").write_text("dhcp-17\n")


def overrides_in_another_order(root: Path) -> None:
    path = root / "var/lib/dpkg/statoverride"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))


@pytest.mark.parametrize(
    "happens",
    [veth, plugged_card, card_for_a_guest, usb_disk, memory_card, opened_stick, image, mounted_at_need,
     named_by_the_network, overrides_in_another_order],
)  # fmt: skip
def test_it_does_not_change_by_itself(tmp_path: Path, happens: Callable[[Path], None]) -> None:
    machines.machine(tmp_path)
    statoverride = tmp_path / "var/lib/dpkg/statoverride"
    statoverride.write_text(f"{statoverride.read_text()}root adm 750 /var/log/a\n")
    before = facts.encode(facts.collect(tmp_path, tmp_path))
    happens(tmp_path)
    assert facts.encode(facts.collect(tmp_path, tmp_path)) == before


def test_names_that_another_boot_may_swap_are_no_facts(tmp_path: Path) -> None:
    machines_of = [("sda", "sdb", "dm-0", "dm-1", "eth0", "eth1"), ("sdb", "sda", "dm-1", "dm-0", "eth1", "eth0")]
    texts = []
    for number, (one, other, root_lv, data_lv, lan, wan) in enumerate(machines_of):
        root = tmp_path / str(number)
        machines.device(root, one, by_id="ata-1")
        machines.device(root, f"{one}1", disk=one, by_partuuid="0001-01")
        machines.device(root, other, by_id="ata-2")
        for volume, name in ((root_lv, "vg-root"), (data_lv, "vg-data")):
            machines.device(root, volume, by_id=f"dm-name-{name}", by_uuid=name)
            machines.write(root / "sys/devices" / volume / "dm/name", f"{name}\n")
        machines.write(root / "proc/self/mountinfo", f"21 1 253:0 / / rw - ext4 /dev/{root_lv} rw\n")
        for card, mac in ((lan, "52:54:00:00:00:01"), (wan, "52:54:00:00:00:02")):
            machines.card(root, card, mac)
            machines.write(root / "sys/class/net" / card / "name_assign_type", "1\n")
        texts.append(facts.encode(facts.collect(root, root)))
    assert texts[0] == texts[1] and b"mapper/vg-root" in texts[0] and b"ata-2" in texts[0]
    assert not any(word in texts[0] for word in (b"sda", b"sdb", b"dm-0", b"eth"))


def test_the_system_in_a_folder_runs_on_this_machine(tmp_path: Path) -> None:
    machines.write(tmp_path / "root/usr/lib/os-release", "ID=alpine\nVERSION_ID=3.22\n")
    made = facts.collect(tmp_path / "root", machines.machine(tmp_path / "running"))
    assert (made.distribution, made.version, made.firmware) == ("alpine", "3.22", "uefi")


def test_a_container_says_so_and_does_not_know_its_volumes(tmp_path: Path) -> None:
    machines.write(tmp_path / "run/systemd/container", "lxc\n")
    machines.write(tmp_path / "sys/class/dmi/id/sys_vendor", "of the host\n")
    made = facts.collect(tmp_path, tmp_path)
    assert (made.virtualisation, made.volumes, made.firmware) == ("lxc", None, "")


def test_a_bond_does_not_hide_the_address_of_its_card(tmp_path: Path) -> None:
    machines.card(tmp_path, "eth0", "02:00:00:00:00:99")
    machines.write(tmp_path / "sys/class/net/eth0/bonding_slave/perm_hwaddr", "52:54:00:00:00:01\n")
    assert facts.collect(tmp_path, tmp_path).cards[0].mac == "52:54:00:00:00:01"


@pytest.mark.parametrize(("kind", "mac"), [("0", "52:54:00:00:00:01"), ("1", ""), ("3", "")])
def test_an_address_that_was_made_up_for_a_while_is_none(tmp_path: Path, kind: str, mac: str) -> None:
    machines.card(tmp_path, "wlan0", "52:54:00:00:00:01")
    machines.write(tmp_path / "sys/class/net/wlan0/addr_assign_type", f"{kind}\n")
    assert facts.collect(tmp_path, tmp_path).cards[0].mac == mac


def test_the_text_comes_back_as_it_was(tmp_path: Path) -> None:
    made = facts.collect(machines.machine(tmp_path), tmp_path)
    text = facts.encode(made)
    assert facts.decode(text) == made and text.isascii() and b'\n "kernel": ' in text
    assert facts.decode(facts.encode(Facts())) == Facts()


def test_the_keys_of_a_later_pacha_are_passed_over() -> None:
    later = json.dumps({"kernel": "7", "moons": 2, "cards": [{"name": "eth0", "speed": 10}]}).encode()
    assert facts.decode(later) == Facts(kernel="7", cards=(Card(name="eth0"),))


@pytest.mark.parametrize(
    "loaded",
    [
        [],
        {"kernel": 6},
        {"kernel": "x" * 5000},
        {"cards": {"name": "eth0"}},
        {"cards": [{}]},
        {"cards": [{"name": ["eth0"]}]},
        {"cards": [{"name": "eth"}] * 20_000},
        {"volumes": [{"device": "sda", "ids": "one"}]},
        {"volumes": [{"device": None}]},
        {"volumes": 1},
        {"diversions": [1]},
        {"diversions": None},
    ],
)
def test_what_no_pacha_writes_is_damage(loaded: Any) -> None:
    with pytest.raises(DamagedError) as caught:
        facts.decode(json.dumps(loaded).encode())
    assert caught.value.code == "facts-damaged" and caught.value.why.isprintable()


@pytest.mark.parametrize("text", [b"", b"{", b"[" * 100_000, b"\xff", b" " * (2 << 20)])
def test_what_is_no_text_of_facts_is_damage(text: bytes) -> None:
    with pytest.raises(DamagedError):
        facts.decode(text)
