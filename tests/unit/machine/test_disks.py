"""What the files of disks and of the boot refer to."""

from __future__ import annotations

import pytest

from pacha.machine import disks
from pacha.machine.references import Named, Reader, read

UUID = "0d1f6a7c-3a52-4a5c-9d27-1f2b7a9c0e11"


def found(reader: Reader, text: str) -> list[tuple[Named, str]]:
    return [(reference.about, reference.value) for reference in read(reader, "/etc/x", text.encode())]


def test_fstab_names_what_a_boot_waits_for() -> None:
    text = f"""
# UUID=dead-beef / ext4 defaults 0 1
UUID={UUID} / ext4 errors=remount-ro 0 1
PARTUUID="0001-02" /boot ext4
LABEL=my\\040disk /srv ext4 defaults
/dev/disk/by-label/old\\x20disk /old ext4
/dev/mapper/vg-home /home ext4
UUID=1111-2222 /mnt vfat noauto,user
LABEL=spare /spare ext4 nofail
nas:/srv /nas nfs defaults
tmpfs /tmp tmpfs
broken
"""
    assert found(disks.fstab, text) == [
        (Named.UUID, UUID),
        (Named.PARTUUID, "0001-02"),
        (Named.LABEL, "my disk"),
        (Named.LABEL, "old disk"),
        (Named.DEVICE, "/dev/mapper/vg-home"),
    ]


def test_fstab_names_files_that_are_mounted_and_no_folders_that_are_bound() -> None:
    text = "/srv/x.iso /mnt iso9660 loop,ro\n/swapfile none swap sw\n/srv/a /b none bind\n//server/x /c cifs rw\n"
    assert found(disks.fstab, text) == [(Named.FILE, "/srv/x.iso"), (Named.FILE, "/swapfile")]


def test_crypttab_names_devices_key_files_and_chips() -> None:
    text = f"""
root UUID={UUID} none luks,discard
data /dev/sdb1 /etc/keys/data.key luks
swap /dev/sdc2 /dev/urandom swap
tpm PARTUUID=0001-01 - tpm2-device=auto
late LABEL=late /etc/keys/late nofail
"""
    assert found(disks.crypttab, text) == [
        (Named.UUID, UUID),
        (Named.DEVICE, "/dev/sdb1"),
        (Named.FILE, "/etc/keys/data.key"),
        (Named.DEVICE, "/dev/sdc2"),
        (Named.PARTUUID, "0001-01"),
        (Named.CHIP, "tpm2-device"),
    ]


@pytest.mark.parametrize(
    ("text", "about", "value"),
    [
        (f"RESUME=UUID={UUID}", Named.UUID, UUID),
        (f'GRUB_CMDLINE_LINUX="resume=/dev/disk/by-uuid/{UUID} quiet"', Named.UUID, UUID),
        ('GRUB_CMDLINE_LINUX="cryptdevice=PARTUUID=0001-02:root root=/dev/mapper/root"', Named.PARTUUID, "0001-02"),
        ('GRUB_CMDLINE_LINUX="rd.lvm.lv=fedora/swap"', Named.DEVICE, "/dev/fedora/swap"),
        (f"rd.luks.uuid=luks-{UUID}", Named.UUID, UUID),
        ("rd.md.uuid=3aaa0122:29827cfa", Named.ARRAY, "3aaa0122:29827cfa"),
        (f"search --no-floppy --fs-uuid --set=root {UUID}", Named.UUID, UUID),
        ("root=/dev/nvme0n1p2 ro", Named.DEVICE, "/dev/nvme0n1p2"),
        ("/dev/sda -a -o on -S on", Named.DEVICE, "/dev/sda"),
        ("/dev/sda {", Named.DEVICE, "/dev/sda"),
        ("/dev/disk/by-id/ata-WDC_1 -a", Named.DEVICE, "/dev/disk/by-id/ata-WDC_1"),
        ("append=\\\n  root=LABEL=root", Named.LABEL, "root"),
    ],
)
def test_the_words_of_any_text(text: str, about: Named, value: str) -> None:
    assert found(disks.words, text)[0] == (about, value)


@pytest.mark.parametrize(
    "text",
    [
        "RESUME=none",
        "# RESUME=UUID=1111-2222",
        "GRUB_DISABLE_LINUX_UUID=true",
        'GRUB_DISABLE_LINUX_PARTUUID="false"',
        "LINUX_ROOT_DEVICE=UUID=${GRUB_DEVICE_UUID}",
        'if test -e "/dev/disk/by-uuid/${GRUB_DEVICE_UUID}"; then',
        "DEVICESCAN -d removable -n standby -m root",
        "/dev/null /dev/tty1 /dev/ttyS0 /dev/kvm /dev/random /dev/mapper/control",
        'LABEL="UEFI Firmware Settings"',
        "LABEL=`echo ${OS} | cut -d : -f 3`",
        "/dev/$disk /srv/dev/sda /dev/mapper/${name}",
    ],
)
def test_words_that_name_no_volume(text: str) -> None:
    assert found(disks.words, text) == []


def test_scripts_are_read_for_uuids_alone() -> None:
    text = f"for device in /dev/sda /dev/mapper/*; do\nsearch --fs-uuid {UUID}\n"
    assert found(disks.uuids, text) == [(Named.UUID, UUID)]


def test_arrays_filters_units_and_wwids() -> None:
    assert found(
        disks.mdadm, "DEVICE partitions\nARRAY /dev/md/0 metadata=1.2 UUID=3aaa0122:29827cfa name=bar:0\n"
    ) == [(Named.ARRAY, "3aaa0122:29827cfa")]
    assert found(disks.mdadm, "ARRAY /dev/md1 UUID=3aaa0122-2982.7cfa\n") == [(Named.ARRAY, "3aaa0122-2982.7cfa")]
    filters = 'devices {\n  # filter = [ "a|/dev/sdx|" ]\n  filter = [ "a|^/dev/sda2$|", "a|/dev/nvme.*|", "r|.*|" ]\n'
    assert found(disks.lvm, filters) == [(Named.DEVICE, "/dev/sda2"), (Named.DEVICE, "/dev/nvme*")]
    assert found(disks.lvm, 'global_filter = [ "a|.*|" ]\n') == []
    assert found(disks.unit, "[Unit]\nWhat=x\n[Mount]\nWhat=/dev/sdb1\nWhere=/srv\n") == [(Named.DEVICE, "/dev/sdb1")]
    snap = "[Mount]\nWhat=/var/lib/snapd/snaps/core_1.snap\n"
    assert found(disks.unit, snap) == [(Named.FILE, "/var/lib/snapd/snaps/core_1.snap")]
    assert found(disks.unit, "[Mount]\nWhat=nas:/srv\n") == []
    assert found(disks.unit, "[Mount]\nWhat=/dev/sdb1\nOptions=rw,nofail\n") == []
    assert found(disks.snapper, 'SUBVOLUME="/"\nFSTYPE="btrfs"\n') == [(Named.FILE_SYSTEM, "btrfs")]
    wwid = 'multipath {\n  wwid "3600508b4000156d7"\n  alias data\n}\n'
    assert found(disks.multipath, wwid) == [(Named.DISK_ID, "3600508b4000156d7")]
