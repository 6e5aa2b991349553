"""Real file systems on a real partition table: what names them is restored onto the same disk, and onto no other one.

The table of ``test_other_hardware`` is made of words; here each name is what ``blkid`` and ``sfdisk`` find on a disk.
PACHA_HARDWARE=1; needs root, and sfdisk, cryptsetup and the mkfs of each kind.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import machines
from tests.support.machine import BARE, Machine

_TOOLS = ("sfdisk", "blkid", "losetup", "mkfs.vfat", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "mkswap", "cryptsetup")
pytestmark = [
    pytest.mark.usefixtures("as_root"),
    pytest.mark.skipif("PACHA_HARDWARE" not in os.environ, reason="makes disks; PACHA_HARDWARE=1"),
]

#: The partitions of each disk, in their order: size and type for sfdisk(8), and what makes the file system.
PARTITIONS = {
    "efi": ("64M,U", ["mkfs.vfat", "-n", "EFI{n}"]),
    "root": ("100M,L", ["mkfs.ext4", "-q", "-L", "root{n}"]),
    "data": ("320M,L", ["mkfs.xfs", "-q", "-L", "data{n}"]),
    "home": ("128M,L", ["mkfs.btrfs", "-q", "-L", "home{n}"]),
    "swap": ("32M,S", ["mkswap", "-q", "-L", "swap{n}"]),
    "safe": ("32M,L", ["cryptsetup", "-q", "luksFormat", "--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000"]),
}
#: Each file names what is on the disk: ``{root[UUID]}`` is the UUID that blkid(8) finds on the partition.
CASES = {
    "/etc/crypttab": "safe UUID={safe[UUID]} none luks\n",
    "/etc/cryptsetup-initramfs/own": "safe PARTUUID={safe[PARTUUID]} none luks\n",
    "/etc/initramfs-tools/conf.d/resume": "RESUME=UUID={swap[UUID]}\n",
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX="root=UUID={root[UUID]} resume=UUID={swap[UUID]}"\n',
    "/etc/default/grub.d/own.cfg": 'GRUB_CMDLINE_LINUX="root=LABEL={root[LABEL]}"\n',
    "/etc/grub.d/40_custom": "search --no-floppy --fs-uuid --set=root {root[UUID]}\n",
    "/etc/kernel/cmdline": "root=PARTUUID={root[PARTUUID]} ro\n",
    "/etc/kernel/cmdline.d/resume.conf": "resume=UUID={swap[UUID]}\n",
    "/etc/dracut.conf.d/luks.conf": 'kernel_cmdline="rd.luks.uuid=luks-{safe[UUID]}"\n',
    "/etc/mkinitcpio.conf": 'ARGS="root=PARTLABEL={root[PARTLABEL]}"\n',
    "/etc/mkinitcpio.d/own.preset": 'default_options="--cmdline root=UUID={root[UUID]}"\n',
    "/etc/update-extlinux.conf": "root=UUID={root[UUID]}\n",
    "/etc/zipl.conf": 'parameters="root=/dev/disk/by-uuid/{root[UUID]}"\n',
    "/etc/lilo.conf": "root=/dev/disk/by-partuuid/{root[PARTUUID]}\n",
    "/etc/elilo.conf": 'append="root=LABEL={root[LABEL]}"\n',
    "/etc/yaboot.conf": "root=UUID={root[UUID]}\n",
    "/etc/sysconfig/grub": 'GRUB_CMDLINE_LINUX="rootflags=subvol=@ root=UUID={home[UUID]}"\n',
    "/etc/sysconfig/bootloader": 'DEFAULT_APPEND="resume=/dev/disk/by-uuid/{swap[UUID]}"\n',
    "/etc/default/u-boot": 'U_BOOT_PARAMETERS="root=PARTUUID={root[PARTUUID]}"\n',
    "/etc/systemd/system/srv.mount": "[Mount]\nWhat=LABEL={data[LABEL]}\nWhere=/srv\n",
    "/etc/systemd/system/home.mount": "[Mount]\nWhat=/dev/disk/by-uuid/{home[UUID]}\nWhere=/home\n",
    "/etc/systemd/system/own.swap": "[Swap]\nWhat=UUID={swap[UUID]}\n",
    "/etc/systemd/system/efi.mount": "[Mount]\nWhat=UUID={efi[UUID]}\nWhere=/efi\n",
    "/etc/systemd/system/part.mount": "[Mount]\nWhat=/dev/disk/by-partlabel/{data[PARTLABEL]}\nWhere=/part\n",
    "/etc/btrbk/btrbk.conf": "volume /dev/disk/by-label/{home[LABEL]}\n",
    "/etc/udev/rules.d/80-own.rules": 'ENV{{ID_FS_UUID}}=="{data[UUID]}", SYMLINK+="own"\n',
    "/etc/smartd.conf": "/dev/disk/by-partuuid/{efi[PARTUUID]} -a\n",
    "/etc/zfs/vdev_id.conf": "alias own /dev/disk/by-partuuid/{data[PARTUUID]}\n",
}
Names = dict[str, dict[str, str]]


def run(*command: str | Path, text: str = "") -> str:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def disk(folder: Path, number: int) -> Names:
    """Make a disk with all the partitions; returns what is found on each."""
    image = folder / "image"
    folder.mkdir()
    run("truncate", "--size=700M", image)
    run("sfdisk", "-q", image, text="label: gpt\n" + "".join(f",{row}\n" for row, _ in PARTITIONS.values()))
    for place, name in enumerate(PARTITIONS, 1):
        run("sfdisk", "-q", "--part-label", image, str(place), f"{name}-of-{number}")
    table = json.loads(run("sfdisk", "--json", image))["partitiontable"]["partitions"]
    return {
        name: {**made(image, part, make, number), "PARTUUID": part["uuid"].lower(), "PARTLABEL": part["name"]}
        for (name, (_, make)), part in zip(PARTITIONS.items(), table, strict=True)
    }


def made(image: Path, part: dict[str, int], make: list[str], number: int) -> dict[str, str]:
    """Make the file system of a partition (in sectors); returns what blkid(8) finds there."""
    place = (f"--offset={part['start'] * 512}", f"--sizelimit={part['size'] * 512}")
    loop = run("losetup", *place, "--find", "--show", image).strip()
    try:
        run(*(word.format(n=number) for word in make), loop, text="a passphrase")
        return dict(line.split("=", 1) for line in run("blkid", "-p", "-o", "export", loop).splitlines() if "=" in line)
    finally:
        run("losetup", "--detach", loop)


def plug(root: Path, names: Names, mac: str) -> None:
    """The machine gets this disk, as vda, with the links that udev makes (60-persistent-storage.rules); and a card."""
    for folder in ("sys", "dev"):
        shutil.rmtree(root / folder, ignore_errors=True)
    machines.card(root, "enp1s0", mac)
    (root / "sys/bus/pci/devices").mkdir(parents=True)
    for number, told in enumerate(names.values(), 1):
        kinds = {f"by_{key.lower()}": told[key] for key in ("UUID", "LABEL", "PARTUUID", "PARTLABEL") if key in told}
        machines.device(root, f"vda{number}", disk="vda", **kinds)


@pytest.fixture(name="disks")
def two_disks(tmp_path: Path) -> list[Names]:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    return [disk(tmp_path / f"disk{number}", number) for number in (1, 2)]


def test_24_references_to_real_volumes(tmp_path: Path, disks: list[Names]) -> None:
    names, others = disks
    values = [{told[key] for told in of.values() for key in told if "UUID" in key} for of in (names, others)]
    assert len(values[0]) >= 2 * len(PARTITIONS) and values[0].isdisjoint(values[1])
    assert len(CASES) >= 24
    texts = {path: text.format(**names) for path, text in CASES.items()}
    bar = Machine(tmp_path / "root", shared=BARE)
    plug(bar.root, names, "52:54:00:aa:bb:01")
    for path, text in texts.items():
        bar.write(path, text=text)
    bar.pacha("watch", "/etc")
    bar.pacha("push")

    plug(bar.root, others, "52:54:00:cc:dd:02")
    lost(bar)
    done = bar.pacha("rebuild", "bar", "--yes", "--services", "none", code=3)
    for path, text in texts.items():
        [line] = [line for line in done.lines if f" {path}: " in line]
        assert " not here (" in line and not bar.at(path).exists(), line
        assert bar.at(f"/state/from-bar{path}").read_text() == text

    plug(bar.root, names, "52:54:00:aa:bb:01")
    lost(bar)
    bar.pacha("rebuild", "bar", "--yes", "--services", "none")
    assert {path: bar.at(path).read_text() for path in CASES} == texts
    assert not bar.at("/state/from-bar").exists()


def lost(bar: Machine) -> None:
    bar.lose()
    for path in CASES:
        bar.at(path).unlink(missing_ok=True)
