"""What can be pulled out, and what comes and goes (test_facts and test_volumes have more of it)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine import hotplug
from tests.support import machines


@pytest.mark.parametrize(("said", "out"), [("removable", True), ("fixed", False), ("unknown", False), ("1", True)])
def test_a_port_says_what_can_be_pulled_out(tmp_path: Path, said: str, out: bool) -> None:
    machines.write(tmp_path / "pci0/port/removable", f"{said}\n")
    (tmp_path / "pci0/port/card").mkdir()
    assert hotplug.can_be_pulled_out(tmp_path / "pci0/port/card") is out


@pytest.mark.parametrize(("name", "comes"), [("sda", False), ("loop0", True), ("zram0", True), ("sr0", True)])
def test_names_of_what_holds_nothing_that_lasts(tmp_path: Path, name: str, comes: bool) -> None:
    machines.device(tmp_path, name)
    assert hotplug.is_fleeting(tmp_path / "sys/class/block", name) is comes


def test_a_system_stands_on_all_that_its_volume_is_made_of(tmp_path: Path) -> None:
    machines.device(tmp_path, "sda")
    machines.device(tmp_path, "sda2", disk="sda")
    machines.device(tmp_path, "dm-0")
    machines.write(tmp_path / "sys/devices/dm-0/slaves/sda2", "")
    blocks = tmp_path / "sys/class/block"
    assert hotplug.foundation(blocks, ["dm-0"]) == {"dm-0", "sda2", "sda"}
    assert hotplug.partitions(blocks, "sda") == {"sda2"} and hotplug.partitions(blocks, "dm-0") == frozenset()
