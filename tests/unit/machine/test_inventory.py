"""What a machine has, looked up in a tree of /sys and /dev, and where that cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine.inventory import Inventory
from pacha.machine.references import Named, Reference
from tests.support import machines


@pytest.fixture(name="inventory")
def whole(tmp_path: Path) -> Inventory:
    root = machines.machine(tmp_path)
    machines.link(root / "dev/disk/by-id/md-uuid-3aaa0122:29827cfa", "../../md0")
    machines.write(root / "dev/mapper/vg-home", "")
    machines.write(root / "sys/bus/pci/devices/0000:03:00.0/vendor", "0x10de\n")
    machines.write(root / "sys/bus/pci/devices/0000:03:00.0/device", "0x1B80\n")
    machines.write(root / "lib/modules/6.1.0/modules.dep", "kernel/drivers/nvidia-drm.ko.xz: kernel/drm.ko\n")
    machines.write(root / "lib/modules/6.1.0/modules.builtin", "kernel/drivers/loop.ko\n")
    machines.write(root / "usr/lib/x86_64-linux-gnu/security/pam_unix.so", "")
    machines.write(root / "usr/lib/x86_64-linux-gnu/libnss_sss.so.2", "")
    machines.write(root / "etc/keys/a", "")
    return Inventory(root=root, running=root, wanted=lambda path: path == "/etc/keys/b", cards=frozenset({"lan0"}))


@pytest.mark.parametrize(
    ("about", "value", "here"),
    [
        (Named.UUID, machines.UUID, True),
        (Named.UUID, "5ab6-2c11", True),
        (Named.UUID, "dead-beef", False),
        (Named.PARTUUID, "0001-01", True),
        (Named.PARTUUID, "0001-09", False),
        (Named.LABEL, "root disk", True),
        (Named.PARTLABEL, "root", False),
        (Named.DEVICE, "/dev/vda1", True),
        (Named.DEVICE, "/dev/vd*", True),
        (Named.DEVICE, "/dev/nvme*", False),
        (Named.DEVICE, "/dev/mapper/vg-home", True),
        (Named.DEVICE, "/dev/sdz", False),
        (Named.DEVICE, "/dev/../etc/os-release", False),
        (Named.DEVICE, "/dev/a\0b", False),
        (Named.DISK_ID, "0001", True),
        (Named.DISK_ID, "WD-1", False),
        (Named.ARRAY, "3aaa0122:29827cfa", True),
        (Named.ARRAY, "3AAA012229827CFA", True),
        (Named.ARRAY, "3aaa01-22298.27cfa", True),
        (Named.ARRAY, "dead", False),
        (Named.FILE_SYSTEM, "ext4", True),
        (Named.FILE_SYSTEM, "btrfs", False),
        (Named.INTERFACE, "enp1s0", True),
        (Named.INTERFACE, "enp1s0.100", True),
        (Named.INTERFACE, "enp1s0:1", True),
        (Named.INTERFACE, "eth0", False),
        (Named.INTERFACE, "eth* en*", True),
        (Named.INTERFACE, "eth* wl*", False),
        (Named.INTERFACE, "br7", True),
        (Named.INTERFACE, "lan0", False),
        (Named.INTERFACE, "eth*" * 500, False),
        (Named.MAC, "52:54:00:AA:BB:01", True),
        (Named.MAC, "52:54:00:aa:bb:77 52:54:00:aa:bb:01", True),
        (Named.MAC, "52:54:00:aa:bb:77", False),
        (Named.PCI, "0000:03:00.0", True),
        (Named.PCI, "0000:04:00.0", False),
        (Named.PCI_ID, "10de:1b80", True),
        (Named.PCI_ID, "10de:0000", False),
        (Named.MODULE, "nvidia_drm", True),
        (Named.MODULE, "nvidia-drm", True),
        (Named.MODULE, "loop", True),
        (Named.MODULE, "zfs", False),
        (Named.FILE, "/etc/keys/a", True),
        (Named.FILE, "/etc/keys/b", True),
        (Named.FILE, "/etc/keys/c", False),
        (Named.SYSFS, "/sys/class/net", True),
        (Named.SYSFS, "/sys/devices/platform/x", False),
        (Named.PAM, "pam_unix.so", True),
        (Named.PAM, "pam_tally2.so", False),
        (Named.NSS, "files", True),
        (Named.NSS, "sss", True),
        (Named.NSS, "winbind", False),
        (Named.CHIP, "tpm2-device", False),
    ],
)
def test_it_is_here_or_not(inventory: Inventory, about: Named, value: str, here: bool) -> None:
    assert inventory.has(Reference(about, value)) is here


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    nothing = Inventory(root=tmp_path, running=tmp_path)
    answers = {about: nothing.has(Reference(about, "eth0")) for about in Named}
    assert {about for about, here in answers.items() if here is not None} == {Named.FILE, Named.CHIP}
