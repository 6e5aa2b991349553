"""What a machine is, as lines; nothing in them obeys a terminal."""

from __future__ import annotations

from pathlib import Path

from pacha.machine import facts
from pacha.machine.facts import Card, Facts
from pacha.machine.volumes import Volume
from pacha.rebuild.machine import Machines
from pacha.ui import machine
from tests.support import machines


def test_every_fact_is_shown(tmp_path: Path) -> None:
    lines = list(machine.facts_lines(facts.collect(machines.machine(tmp_path), tmp_path)))
    assert lines[0].startswith("System:       Debian 12 ")
    assert lines[1:4] == [
        "Kernel:       6.1.0-18-amd64",
        "Machine:      QEMU Standard PC (UEFI)",
        "Host name:    bar",
    ]
    assert lines[4:] == [
        "Network:      enp1s0 52:54:00:aa:bb:01 (virtio_net)",
        f"Volumes:      UUID={machines.UUID} PARTUUID=0001-01 LABEL=root disk ext4 on /",
        "              UUID=5AB6-2C11 vfat on /boot/efi",
        "              virtio-0001",
        "Also for:     i386",
        "Overrides:    root ssl-cert 710 /etc/ssl/private",
        "Diversions:   /bin/a -> /bin/a.real",
    ]


def test_two_machines_in_a_line(tmp_path: Path) -> None:
    recorded = facts.collect(machines.machine(tmp_path), tmp_path)
    line = machine.machines_line("bar", Machines(recorded=recorded, here=Facts()))
    assert line.startswith("'bar' was Debian 12 ")
    assert line.endswith(
        f" on QEMU Standard PC (UEFI), root on UUID {machines.UUID}; this is an unknown system on an unknown machine."
    )


def test_nothing_of_it_reaches_the_terminal() -> None:
    evil = "\x1b]52;c;x\x07\u202e" * 100
    shown = Facts(
        distribution=evil, kernel=evil, virtualisation=evil, cards=(Card(name=evil, mac=evil),), hostname=evil,
        volumes=(Volume(device=evil, uuid=evil, label=evil, mounted=(evil, "/")),), diversions=(evil,),
    )  # fmt: skip
    lines = [*machine.facts_lines(shown), machine.machines_line("bar", Machines(recorded=shown, here=shown))]
    assert all(line.isprintable() and len(line) < 1500 for line in lines)
