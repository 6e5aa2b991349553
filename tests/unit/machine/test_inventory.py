"""What a machine has, looked up in a tree of /sys and /dev, and where that cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine.inventory import Inventory
from pacha.machine.references import About, Reference
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
        (About.UUID, machines.UUID, True),
        (About.UUID, "5ab6-2c11", True),
        (About.UUID, "dead-beef", False),
        (About.PARTUUID, "0001-01", True),
        (About.PARTUUID, "0001-09", False),
        (About.LABEL, "root disk", True),
        (About.PARTLABEL, "root", False),
        (About.DEVICE, "/dev/vda1", True),
        (About.DEVICE, "/dev/vd*", True),
        (About.DEVICE, "/dev/nvme*", False),
        (About.DEVICE, "/dev/mapper/vg-home", True),
        (About.DEVICE, "/dev/sdz", False),
        (About.DEVICE, "/dev/../etc/os-release", False),
        (About.DEVICE, "/dev/a\0b", False),
        (About.DISK_ID, "0001", True),
        (About.DISK_ID, "WD-1", False),
        (About.ARRAY, "3aaa0122:29827cfa", True),
        (About.ARRAY, "dead", False),
        (About.FILE_SYSTEM, "ext4", True),
        (About.FILE_SYSTEM, "btrfs", False),
        (About.INTERFACE, "enp1s0", True),
        (About.INTERFACE, "enp1s0.100", True),
        (About.INTERFACE, "enp1s0:1", True),
        (About.INTERFACE, "eth0", False),
        (About.INTERFACE, "eth* en*", True),
        (About.INTERFACE, "eth* wl*", False),
        (About.INTERFACE, "br7", True),
        (About.INTERFACE, "lan0", False),
        (About.INTERFACE, "eth*" * 500, False),
        (About.MAC, "52:54:00:AA:BB:01", True),
        (About.MAC, "52:54:00:aa:bb:77 52:54:00:aa:bb:01", True),
        (About.MAC, "52:54:00:aa:bb:77", False),
        (About.PCI, "0000:03:00.0", True),
        (About.PCI, "0000:04:00.0", False),
        (About.PCI_ID, "10de:1b80", True),
        (About.PCI_ID, "10de:0000", False),
        (About.MODULE, "nvidia_drm", True),
        (About.MODULE, "nvidia-drm", True),
        (About.MODULE, "loop", True),
        (About.MODULE, "zfs", False),
        (About.FILE, "/etc/keys/a", True),
        (About.FILE, "/etc/keys/b", True),
        (About.FILE, "/etc/keys/c", False),
        (About.SYSFS, "/sys/class/net", True),
        (About.SYSFS, "/sys/devices/platform/x", False),
        (About.PAM, "pam_unix.so", True),
        (About.PAM, "pam_tally2.so", False),
        (About.NSS, "files", True),
        (About.NSS, "sss", True),
        (About.NSS, "winbind", False),
        (About.CHIP, "tpm2-device", False),
    ],
)
def test_it_is_here_or_not(inventory: Inventory, about: About, value: str, here: bool) -> None:
    assert inventory.has(Reference(about, value)) is here


def test_a_machine_that_does_not_tell(tmp_path: Path) -> None:
    nothing = Inventory(root=tmp_path, running=tmp_path)
    answers = {about: nothing.has(Reference(about, "eth0")) for about in About}
    assert {about for about, here in answers.items() if here is not None} == {About.FILE, About.CHIP}
