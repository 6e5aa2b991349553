"""Which packages a rebuild passes over, as this machine has its own."""

from __future__ import annotations

import pytest

from pacha.machine.packages.hardware_packages import is_of_hardware


@pytest.mark.parametrize(
    "name",
    [
        "linux-image-6.1.0-18-amd64", "linux-image-amd64", "linux-headers-amd64", "linux-generic", "kernel",
        "kernel-core",
        "grub-pc", "grub-efi-amd64-signed", "grub2-efi-x64", "shim-signed", "systemd-boot", "firmware-realtek",
        "linux-firmware", "intel-microcode", "microcode_ctl", "dkms", "zfs-dkms", "akmod-nvidia", "nvidia-driver",
        "qemu-guest-agent", "open-vm-tools", "cloud-init", "amazon-ssm-agent", "efibootmgr",
    ],
)  # fmt: skip
def test_what_belongs_to_the_hardware(name: str) -> None:
    assert is_of_hardware(name)


@pytest.mark.parametrize(
    "name",
    [
        "linux-libc-dev",
        "linux-base",
        "kmod",
        "nginx",
        "util-linux",
        "kernelshark",
        "mdadm",
        "lvm2",
        "shimmer",
        "grubby2x",
    ],
)
def test_what_does_not(name: str) -> None:
    assert not is_of_hardware(name)
