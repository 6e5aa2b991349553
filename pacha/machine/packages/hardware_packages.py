"""Packages that belong to a machine's hardware: what boots it, its kernel, its firmware, its hypervisor's agents."""

from __future__ import annotations

import re

_HARDWARE = re.compile(
    r"""
    linux-(image|headers|modules|kbuild|libc-dev-cross|signed|base-unsigned)([-_].*)?
    | linux-(generic|virtual|lowlatency|oem|aws|azure|gcp|kvm|raspi)([-_].*)?
    | kernel(-(core|modules|devel|headers|uki|debug|rt|uek).*)?
    | (grub|grub2|grub-(pc|efi|cloud|xen|ieee1275|common|legacy|coreboot|emu|uboot).*|grub2-.*|grubby)
    | (shim|shim-.*|systemd-boot.*|sd-boot.*|lilo|extlinux|syslinux.*|elilo|efibootmgr|u-boot.*|flash-kernel|zipl)
    | (firmware-.*|.*-firmware|linux-firmware.*|.*-microcode|microcode_ctl|iucode-tool|fwupd.*)
    | (dkms|.*-dkms|akmod-.*|kmod-.*|nvidia-.*|.*-kmod|.*-kmod-.*|raspi-firmware|raspberrypi-.*|broadcom-sta-.*)
    | (qemu-guest-agent|open-vm-tools.*|virtualbox-guest-.*|hyperv-daemons|xe-guest-utilities|spice-vdagent
      |google-guest-agent|google-compute-engine.*|google-osconfig-agent|amazon-ssm-agent|walinuxagent|waagent
      |cloud-init|cloud-guest-utils|cloud-initramfs-.*|ec2-.*)
    """,
    re.VERBOSE | re.ASCII,
)
#: Packages that match the pattern but do not belong to hardware.
_SOFTWARE = frozenset({"kmod", "kernel-wedge", "kernel-srpm-macros"})


def is_of_hardware(name: str) -> bool:
    """Whether a rebuild leaves out the package ``name``, because this machine has its own."""
    return name not in _SOFTWARE and _HARDWARE.fullmatch(name) is not None
