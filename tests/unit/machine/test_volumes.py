"""The volumes of a machine and their names, as udev links them."""

from __future__ import annotations

from pathlib import Path

from pacha.machine import volumes
from pacha.machine.volumes import Volume
from tests.support import machines


def test_each_volume_has_its_names_and_where_it_is_mounted(tmp_path: Path) -> None:
    disk, root, boot = volumes.collect(machines.machine(tmp_path)) or ()
    assert disk == Volume(device="vda", ids=("virtio-0001",))
    assert root == Volume(
        device="vda1", uuid=machines.UUID, partuuid="0001-01", label="root disk", kind="ext4", mounted=("/",)
    )
    assert (boot.uuid, boot.kind, boot.mounted) == ("5AB6-2C11", "vfat", ("/boot/efi",))


def test_a_machine_without_udev_does_not_tell(tmp_path: Path) -> None:
    assert volumes.collect(tmp_path) is None
    (tmp_path / "dev/disk").mkdir(parents=True)
    assert volumes.collect(tmp_path) == ()


def test_without_proc_it_is_not_known_what_is_mounted(tmp_path: Path) -> None:
    (machines.machine(tmp_path) / "proc/self/mountinfo").unlink()
    assert {volume.mounted for volume in volumes.collect(tmp_path) or ()} == {()}


def test_a_system_in_a_subvolume_is_mounted_and_what_is_bound_from_one_is_not(tmp_path: Path) -> None:
    table = machines.machine(tmp_path) / "proc/self/mountinfo"
    device = "0:31 {root} {path} rw - btrfs /dev/vda1 rw"
    rows = [device.format(root="/@", path="/"), device.format(root="/@/srv/x", path="/var/x")]
    table.write_text("".join(f"2{number} 1 {row}\n" for number, row in enumerate(rows)))
    assert {path for volume in volumes.collect(tmp_path) or () for path in volume.mounted} == {"/"}
