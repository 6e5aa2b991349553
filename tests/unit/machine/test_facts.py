"""What a machine is, read from its files; as text and back; and what other text is refused."""

from __future__ import annotations

import json
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
    assert [volume.device for volume in volumes] == ["vda", "vda1", "vda2"]


def test_it_does_not_change_by_itself(tmp_path: Path) -> None:
    before = facts.encode(facts.collect(machines.machine(tmp_path), tmp_path))
    machines.device(tmp_path, "loop7", by_uuid="a stick's")
    machines.write(tmp_path / "sys/class/net/veth12/address", "02:00:00:00:00:01\n")
    assert facts.encode(facts.collect(tmp_path, tmp_path)) == before


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
