"""The files by which a machine tells what it is: a tree that stands for /etc, /sys, /dev and /proc of another one."""

from __future__ import annotations

from pathlib import Path

UUID = "0d1f6a7c-3a52-4a5c-9d27-1f2b7a9c0e11"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def device(root: Path, name: str, *, disk: str = "", removable: bool = False, **names: str) -> None:
    """A block device, a partition of ``disk``; ``names``: by_uuid, by_label ... as udev would link it."""
    folder = root / "sys/devices" / disk / name
    write(folder / ("removable" if not disk else "partition"), f"{int(removable)}\n")
    link(root / "sys/class/block" / name, f"../../devices/{disk}/{name}" if disk else f"../../devices/{name}")
    write(root / "dev" / name, "")
    for folder_name, value in names.items():
        link(root / "dev/disk" / folder_name.replace("_", "-") / value, f"../../{name}")


def card(root: Path, name: str, mac: str, driver: str = "virtio_net") -> None:
    """A network card of hardware."""
    (root / "sys/drivers" / driver).mkdir(parents=True, exist_ok=True)
    write(root / "sys/class/net" / name / "address", f"{mac}\n")
    link(root / "sys/class/net" / name / "device/driver", f"../../../../drivers/{driver}")


def machine(root: Path) -> Path:
    """A virtual machine with one disk of two partitions, a stick, a card and a bridge."""
    write(root / "etc/os-release", 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
    write(root / "proc/sys/kernel/osrelease", "6.1.0-18-amd64\n")
    write(root / "proc/sys/kernel/hostname", "bar\n")
    write(root / "sys/class/dmi/id/sys_vendor", "QEMU\n")
    write(root / "sys/class/dmi/id/product_name", "Standard PC\n")
    (root / "sys/firmware/efi").mkdir(parents=True)
    device(root, "vda", by_id="virtio-0001")
    device(root, "vda1", disk="vda", by_uuid=UUID, by_partuuid="0001-01", by_label=r"root\x20disk")
    device(root, "vda2", disk="vda", by_uuid="5AB6-2C11")
    device(root, "sdb", removable=True, by_id="usb-stick")
    device(root, "sdb1", disk="sdb", by_uuid="1111-2222")
    device(root, "loop0", by_uuid="3333-4444")
    card(root, "enp1s0", "52:54:00:aa:bb:01")
    write(root / "sys/class/net/br0/address", "52:54:00:aa:bb:02\n")
    write(
        root / "proc/self/mountinfo",
        "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
        "22 21 254:2 / /boot/efi rw - vfat /dev/vda2 rw\n"
        "23 21 254:1 /srv /mnt/a\\040bind rw - ext4 /dev/vda1 rw\n"
        "24 21 0:5 / /proc rw - proc proc rw\n",
    )
    write(root / "etc/fstab", f"UUID={UUID} / ext4\nUUID=5AB6-2C11 /boot/efi vfat umask=0077\n")
    write(root / "var/lib/dpkg/arch", "amd64\ni386\n")
    write(root / "var/lib/dpkg/statoverride", "root ssl-cert 710 /etc/ssl/private\n")
    write(root / "var/lib/dpkg/diversions", "/bin/a\n/bin/a.real\n:\n/bin/b\n/bin/b.dash\ndash\n")
    return root
