"""The volumes of a machine and their names, as udev links them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine import volumes
from pacha.machine.volumes import Volume
from tests.support import machines


def test_each_volume_has_its_names_and_where_it_is_mounted(tmp_path: Path) -> None:
    root, boot, disk = volumes.collect(machines.machine(tmp_path), tmp_path) or ()
    assert disk == Volume(ids=("virtio-0001",))
    assert root == Volume(uuid=machines.UUID, partuuid="0001-01", label="root disk", kind="ext4", mounted=("/",))
    assert (boot.uuid, boot.kind, boot.mounted) == ("5AB6-2C11", "vfat", ("/boot/efi",))


def test_a_machine_without_udev_does_not_tell(tmp_path: Path) -> None:
    assert volumes.collect(tmp_path, tmp_path) is None
    (tmp_path / "dev/disk").mkdir(parents=True)
    assert volumes.collect(tmp_path, tmp_path) == ()


def test_without_proc_it_is_not_known_what_is_mounted(tmp_path: Path) -> None:
    (machines.machine(tmp_path) / "proc/self/mountinfo").unlink()
    assert {volume.mounted for volume in volumes.collect(tmp_path, tmp_path) or ()} == {()}


def test_a_system_in_a_subvolume_is_mounted_and_what_is_bound_from_one_is_not(tmp_path: Path) -> None:
    table = machines.machine(tmp_path) / "proc/self/mountinfo"
    device = "0:31 {root} {path} rw - btrfs /dev/vda1 rw"
    rows = [device.format(root="/@", path="/"), device.format(root="/@/srv/x", path="/var/x")]
    table.write_text("".join(f"2{number} 1 {row}\n" for number, row in enumerate(rows)))
    assert {path for volume in volumes.collect(tmp_path, tmp_path) or () for path in volume.mounted} == {"/"}


@pytest.mark.parametrize(("name", "disk"), [("sdc", "pci0/usb1/1-1"), ("loop3", ""), ("nbd0", "")])
def test_what_the_system_lies_on_is_the_machines_own_whatever_it_is(tmp_path: Path, name: str, disk: str) -> None:
    machines.device(tmp_path, name, disk=disk, by_uuid="of the system")
    machines.write(tmp_path / "proc/self/mountinfo", f"21 1 8:1 / / rw - ext4 /dev/{name} rw\n")
    (system,) = volumes.collect(tmp_path, tmp_path) or ()
    assert (system.uuid, system.mounted) == ("of the system", ("/",))


def test_the_disk_under_the_system_is_its_own_with_all_its_partitions(tmp_path: Path) -> None:
    machines.device(tmp_path, "sdc", disk="pci0/usb1/1-1", by_id="usb-ssd")
    for name in ("sdc1", "sdc2"):
        machines.device(tmp_path, name, disk="pci0/usb1/1-1/sdc", by_uuid=name.upper())
        machines.write(tmp_path / "sys/devices/pci0/usb1/1-1/sdc" / name / "partition", "1\n")
    machines.device(tmp_path, "dm-0", by_id="dm-name-root", by_uuid="root")
    machines.write(tmp_path / "sys/devices/dm-0/slaves/sdc1", "")
    machines.write(tmp_path / "proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/dm-0 rw\n")
    found = volumes.collect(tmp_path, tmp_path) or ()
    assert {volume.uuid or volume.ids[0] for volume in found} == {"root", "SDC1", "SDC2", "usb-ssd"}


@pytest.mark.parametrize("linked", ["sda", "sdb"])
def test_a_file_system_on_several_disks_is_linked_to_any_of_them(tmp_path: Path, linked: str) -> None:
    for name in ("sda", "sdb"):
        machines.device(tmp_path, name, by_id=f"ata-{name}")
        machines.write(tmp_path / "sys/fs/btrfs/1234/devices" / name, "")
    machines.link(tmp_path / "dev/disk/by-uuid/1234", f"../../{linked}")
    machines.write(tmp_path / "proc/self/mountinfo", f"21 1 0:30 /@ / rw - btrfs /dev/{linked} rw\n")
    assert volumes.collect(tmp_path, tmp_path) == (
        Volume(uuid="1234", kind="btrfs", mounted=("/",)),
        Volume(ids=("ata-sda",)),
        Volume(ids=("ata-sdb",)),
    )
