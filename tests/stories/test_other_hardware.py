"""A rebuild on other hardware: what names disks, cards and chips that are not here stays as this machine has it."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from tests.support import machines
from tests.support.machine import BARE, Machine
from tests.support.stage import PACHA

pytestmark = pytest.mark.usefixtures("as_root")

OLD, NEW = "0d1f6a7c-3a52-4a5c-9d27-1f2b7a9c0e11", "9c1e7d40-7a1b-4a34-8d3e-66a1f0f2b7d5"
OLD_MAC, NEW_MAC = "52:54:00:aa:bb:01", "52:54:00:cc:dd:02"
ARRAY = "3aaa0122:29827cfa:5331ad66:ca767371"

#: Each names something of the old machine, and the part of the reason that says what.
CASES = {
    "/etc/crypttab": (f"data UUID={OLD} none luks\n", OLD),
    "/etc/mdadm/mdadm.conf": (f"ARRAY /dev/md0 UUID={ARRAY}\n", ARRAY),
    "/etc/lvm/lvm.conf": ('devices {\n filter = [ "a|/dev/sda2|", "r|.*|" ]\n}\n', "/dev/sda2"),
    "/etc/lvm/devices/system.devices": ("IDTYPE=sys_wwid IDNAME=naa.1\n", "hides volume groups"),
    "/etc/initramfs-tools/conf.d/resume": (f"RESUME=UUID={OLD}\n", OLD),
    "/etc/default/grub": (f'GRUB_CMDLINE_LINUX="root=UUID={OLD} quiet"\n', OLD),
    "/etc/kernel/cmdline": ("root=PARTUUID=0001-01 ro\n", "0001-01"),
    "/etc/dracut.conf.d/root.conf": ('kernel_cmdline="rd.lvm.lv=fedora/root"\n', "/dev/fedora/root"),
    "/etc/grub.d/40_custom": (f"#!/bin/sh\nsearch --fs-uuid --set=root {OLD}\n", OLD),
    "/etc/systemd/system/srv.mount": ("[Mount]\nWhat=LABEL=data\nWhere=/srv\n", "LABEL=data"),
    "/etc/systemd/system/snap-core-1.mount": ("[Mount]\nWhat=/var/lib/snapd/snaps/core_1.snap\n", "core_1.snap"),
    "/etc/snapper/configs/root": ('SUBVOLUME="/"\nFSTYPE="btrfs_of_old"\n', "btrfs_of_old"),
    "/etc/multipath.conf": ("multipaths {\n multipath {\n wwid 3600508b4000156d7\n}\n}\n", "3600508b4000156d7"),
    "/etc/smartd.conf": ("/dev/disk/by-id/ata-OLD_1 -a\n", "ata-OLD_1"),
    "/etc/machine-id": ("0123456789abcdef0123456789abcdef\n", "this installation"),
    "/etc/hostid": ("abcd", "pools"),
    "/etc/network/interfaces": ("auto lo enp1s0\niface enp1s0 inet dhcp\n", "enp1s0"),
    "/etc/netplan/01-netcfg.yaml": (
        f"network:\n  ethernets:\n    lan:\n      match:\n        macaddress: {OLD_MAC}\n", OLD_MAC),
    "/etc/systemd/network/10-lan.link": (f"[Match]\nPermanentMACAddress={OLD_MAC}\n[Link]\nName=lan0\n", OLD_MAC),
    "/etc/NetworkManager/system-connections/lan.nmconnection": ("[connection]\ninterface-name=enp1s0\n", "enp1s0"),
    "/etc/sysconfig/network-scripts/ifcfg-lan": (f"DEVICE=lan0\nHWADDR={OLD_MAC}\n", OLD_MAC),
    "/etc/udev/rules.d/70-persistent-net.rules": (f'ATTR{{address}}=="{OLD_MAC}", NAME="eth0"\n', "old card"),
    "/etc/udev/rules.d/80-wan.rules": ('KERNELS=="0000:03:00.0", NAME="wan0"\n', "0000:03:00.0"),
    "/etc/resolv.conf": ("nameserver 10.0.0.1\n", "this network"),
    "/etc/nftables.conf": ('table inet f { chain i { iifname "enp1s0" accept; } }\n', "enp1s0"),
    "/etc/modprobe.d/vfio.conf": ("options vfio-pci ids=10de:1b80\n", "10de:1b80"),
    "/etc/modules-load.d/own.conf": ("nvidia-drm\n", "nvidia-drm"),
    "/etc/X11/xorg.conf": ('Section "Device"\nEndSection\n', "another card"),
    "/etc/fancontrol": ("DEVPATH=hwmon1=devices/platform/old.1\n", "/sys/devices/platform/old.1"),
    "/etc/ld.so.preload": ("/usr/lib/not-on-any-machine.so\n", "not-on-any-machine.so"),
    "/etc/cloud/cloud.cfg.d/90_dpkg.cfg": ("datasource_list: [ Ec2 ]\n", "provider"),
}  # fmt: skip
#: Restored all the same, and named.
NAMED = {
    "/etc/nginx/sites-enabled/own": ("server { listen 192.0.2.77:80; }\n", "192.0.2.77 is not here"),
    "/etc/default/gpsd": ('DEVICES="/dev/serial/by-id/usb-GPS_1"\n', "usb-GPS_1 is not here"),
    "/etc/iscsi/initiatorname.iscsi": ("InitiatorName=iqn.2026-11.com.example:bar\n", "one name at the storage"),
    "/etc/pki/consumer/cert.pem": ("certificate\n", "register this one"),
}
LINKS = {
    "/etc/alternatives/own": "/opt/not-installed/own",
    "/etc/alternatives/here": "/usr/bin/env",
    "/etc/ssl/certs/own.0": "not-there.pem",
}
FSTAB = f"UUID={OLD} / ext4 defaults 0 1\nnas:/home /home nfs rw 0 0\nLABEL=data /srv ext4 defaults 0 2\n"
OWN_FSTAB = f"UUID={NEW} / ext4 defaults 0 1\n"
OF_THE_ROLE = {"/etc/hostname": "bar\n", "/etc/wireguard/wg0.conf": "key\n", "/etc/hosts": "127.0.1.1 bar\n"}
#: Kept where this machine has one, absent where it has none.
PRESENT = ["/etc/machine-id", "/etc/network/interfaces", "/etc/default/grub", "/etc/resolv.conf"]


def old_hardware(root: Path) -> None:
    hardware(root)
    machines.device(root, "sda", by_id="ata-OLD_1")
    machines.device(root, "sda1", disk="sda", by_uuid=OLD, by_partuuid="0001-01", by_label="data")
    machines.device(root, "sda2", disk="sda", by_id=f"md-uuid-{ARRAY}")
    machines.link(root / "dev/disk/by-id/dm-uuid-mpath-3600508b4000156d7", "../../dm-0")
    machines.card(root, "enp1s0", OLD_MAC)


def new_hardware(root: Path) -> None:
    hardware(root)
    machines.device(root, "vda", by_id="virtio-1")
    machines.device(root, "vda1", disk="vda", by_uuid=NEW, by_partuuid="0002-01")
    machines.card(root, "ens3", NEW_MAC)


def hardware(root: Path) -> None:
    for folder in ("sys", "dev"):
        shutil.rmtree(root / folder, ignore_errors=True)
    machines.write(root / "sys/class/net/lo/address", "00:00:00:00:00:00\n")
    (root / "sys/bus/pci/devices").mkdir(parents=True)
    machines.write(root / "lib/modules/6.1.0/modules.dep", "kernel/loop.ko:\n")


@pytest.fixture(name="bar")
def pushed(tmp_path: Path) -> Machine:
    """A host that pushed, and whose machine is lost; what is here now is another installation."""
    bar = Machine(tmp_path / "root", shared=BARE)
    (bar.root / "lib").unlink()
    (bar.root / "lib").mkdir()
    for name in Path("/usr/lib").iterdir():
        (bar.root / "lib" / name.name).symlink_to(f"/usr/lib/{name.name}")
    old_hardware(bar.root)
    for path, text in {**{path: text for path, (text, _) in CASES.items()}, **OF_THE_ROLE, "/etc/fstab": FSTAB}.items():
        bar.write(path, text=text)
    for path, (text, _) in NAMED.items():
        bar.write(path, text=text)
    for path, target in LINKS.items():
        machines.link(bar.at(path), target)
    bar.pacha("watch", "/etc")
    bar.pacha("push")
    bar.lose()
    for path in [*CASES, *NAMED, *LINKS, *OF_THE_ROLE, "/etc/fstab"]:
        bar.at(path).unlink()
    for path in PRESENT:
        bar.write(path, text="this machine's\n")
    bar.write("/etc/fstab", text=OWN_FSTAB)
    return bar


def content(bar: Machine, path: str) -> str | None:
    return bar.at(path).read_text() if bar.at(path).exists() else None


def test_on_other_hardware_all_of_it_is_kept_and_named(bar: Machine) -> None:
    new_hardware(bar.root)
    done = bar.pacha("rebuild", "bar", "--yes", code=3)
    for path, (text, reason) in CASES.items():
        lines = [line for line in done.lines if f" {path}: " in line]
        assert len(lines) == 1 and reason in lines[0], (path, done.err)
        assert content(bar, path) == ("this machine's\n" if path in PRESENT else None), path
        assert content(bar, f"/state/from-bar{path}") == text
        assert bar.whose(f"/state/from-bar{path}") == (0, 0, "0600")
    assert bar.whose("/state/from-bar")[2] == "0700" and len(CASES) >= 24
    assert all(content(bar, path) == text for path, text in OF_THE_ROLE.items())
    merged = content(bar, "/etc/fstab") or ""
    assert merged.startswith(OWN_FSTAB) and "\nnas:/home /home nfs" in merged
    assert f"UUID={OLD}" not in merged and "# not on this machine: LABEL=data /srv ext4 defaults,nofail" in merged
    assert content(bar, "/state/from-bar/etc/fstab") == FSTAB
    assert [line for line in done.lines if " /etc/fstab: " in line and OLD in line]

    status = json.loads(bar.at("/state/memory.json").read_text())
    assert {bytes.fromhex(path).decode() for path in status["owed"]} == set(CASES)
    bar.pacha("push", code=3)
    assert "root=UUID" in bar.pacha("cat", "/etc/default/grub", code=None).out


def test_what_is_the_roles_is_restored_and_named_where_it_does_not_fit(bar: Machine) -> None:
    new_hardware(bar.root)
    done = bar.pacha("rebuild", "bar", "--yes", code=3)
    for path, (text, reason) in NAMED.items():
        assert content(bar, path) == text and [
            line for line in done.lines if f" {path}: " in line and reason in line
        ], done.err
    assert "/etc/alternatives: links that lead to nothing here: own (" in done.err
    assert "/etc/ssl/certs: links that lead to nothing here: own.0 (" in done.err
    owed = {bytes.fromhex(path).decode() for path in json.loads(bar.at("/state/memory.json").read_text())["owed"]}
    assert not owed & {*NAMED, *LINKS} and bar.at("/etc/alternatives/own").is_symlink()


def test_on_the_same_hardware_all_of_it_is_restored(bar: Machine) -> None:
    old_hardware(bar.root)
    done = bar.pacha("rebuild", "bar", "--yes")
    assert {path: content(bar, path) for path in CASES} == {path: text for path, (text, _) in CASES.items()}
    assert content(bar, "/etc/fstab") == FSTAB and not bar.at("/state/from-bar").exists()
    assert "stays" not in done.out and all(content(bar, path) == text for path, (text, _) in NAMED.items())


def test_it_is_settled_by_the_same_hardware_or_by_being_told_so(bar: Machine) -> None:
    new_hardware(bar.root)
    bar.pacha("rebuild", "bar", "--yes", code=3)
    again = bar.pacha("rebuild", "bar", "--yes", code=3)
    assert len([line for line in again.lines if " /etc/" in line]) == len(CASES)
    bar.pacha("rebuild", "bar", "--yes", "--hardware", "same")
    assert content(bar, "/etc/machine-id") == CASES["/etc/machine-id"][0] and content(bar, "/etc/fstab") == FSTAB
    assert "owed" not in json.loads(bar.at("/state/memory.json").read_text())
    bar.pacha("undo", "--yes")
    assert content(bar, "/etc/machine-id") == "this machine's\n"


def test_a_push_in_between_does_not_make_it_the_same_machine(bar: Machine) -> None:
    new_hardware(bar.root)
    bar.pacha("rebuild", "bar", "--yes", code=3)
    bar.pacha("push", code=3)  # as the schedule does: it records this machine
    again = bar.pacha("rebuild", "bar", "--yes", code=3)
    assert {path: content(bar, path) for path in PRESENT} == dict.fromkeys(PRESENT, "this machine's\n")
    assert "--hardware other" in again.out and "pacha push --accept" in again.out
    bar.pacha("push", "--accept")
    bar.pacha("rebuild", "bar", "--yes")
    assert content(bar, "/etc/machine-id") == "this machine's\n"


def test_the_choice_is_remembered_until_it_is_settled(bar: Machine) -> None:
    old_hardware(bar.root)
    told = bar.pacha("rebuild", "bar", "--yes", "--hardware", "other", code=3)
    assert content(bar, "/etc/machine-id") == "this machine's\n" and "/etc/crypttab" not in told.err
    again = bar.pacha("rebuild", "bar", "--yes", code=3)
    assert "--hardware other" in again.out and content(bar, "/etc/machine-id") == "this machine's\n"
    bar.pacha("rebuild", "bar", "--yes", "--hardware", "auto")
    assert content(bar, "/etc/machine-id") == CASES["/etc/machine-id"][0]


def test_the_plan_shows_it_and_changes_nothing(bar: Machine) -> None:
    new_hardware(bar.root)
    planned = bar.pacha("rebuild", "bar", "--dry-run", "-v", code=3)
    assert (
        "withheld /etc/default/grub: " in planned.out and f'+GRUB_CMDLINE_LINUX="root=UUID={OLD} quiet"' in planned.out
    )
    found = json.loads(bar.pacha("rebuild", "bar", "--dry-run", "--json", code=3).out)
    assert found["other_hardware"] is True and found["totals"]["withheld"] == len(CASES)
    assert not bar.at("/state/from-bar").exists() and content(bar, "/etc/fstab") == OWN_FSTAB


def test_what_is_this_machines_own_is_not_moved_aside(bar: Machine) -> None:
    new_hardware(bar.root)
    bar.write("/etc/netplan/99-own.yaml", text="network: {}\n")
    bar.write("/etc/other/own", text="x\n")
    done = bar.pacha("rebuild", "bar", "--yes", "--delete", code=3)
    assert content(bar, "/etc/netplan/99-own.yaml") == "network: {}\n" and content(bar, "/etc/other/own") is None
    assert "/etc/netplan/99-own.yaml: it is this machine's own" in done.err


def test_a_folder_is_not_a_machine_and_the_root_of_a_system_is(bar: Machine) -> None:
    new_hardware(bar.root)
    bar.pacha("rebuild", "bar", "--yes", "--target", "/look")
    assert content(bar, "/look/etc/machine-id") == CASES["/etc/machine-id"][0]
    for name in ("passwd", "group"):
        bar.write(f"/mnt/etc/{name}", text=(bar.at(f"/etc/{name}")).read_text())
    bar.write("/mnt/etc/fstab", text=OWN_FSTAB)
    bar.pacha("rebuild", "bar", "--yes", "--target", "/mnt", code=3)
    assert content(bar, "/mnt/etc/machine-id") is None and (content(bar, "/mnt/etc/fstab") or "").startswith(OWN_FSTAB)


def test_an_older_fstab_comes_back_on_the_living_host(bar: Machine) -> None:
    old_hardware(bar.root)
    bar.pacha("rebuild", "bar", "--yes")
    bar.write("/etc/fstab", text="UUID=broken / ext4\n")
    bar.pacha("rebuild", "bar", "--yes", "--path", "/etc/fstab")
    assert content(bar, "/etc/fstab") == FSTAB


def test_a_rebuild_that_is_killed_goes_on(bar: Machine) -> None:
    new_hardware(bar.root)
    for seconds in ("0.4", "0.6", "0.8", "1.0", "1.3"):
        bar.run("timeout", "-s", "KILL", seconds, PACHA, "rebuild", "bar", "--yes")
        bar.write("/etc/hostname", text="not yet\n")
    bar.pacha("rebuild", "bar", "--yes", code=3)
    assert {path: content(bar, path) for path in PRESENT} == dict.fromkeys(PRESENT, "this machine's\n")
    assert all(content(bar, f"/state/from-bar{path}") == text for path, (text, _) in CASES.items())
    assert (content(bar, "/etc/fstab") or "").count("nas:/home") == 1
    assert all(content(bar, path) == text for path, text in OF_THE_ROLE.items())


def test_the_configuration_may_say_so(bar: Machine) -> None:
    new_hardware(bar.root)
    config = bar.at("/pacha.conf")
    config.write_text(config.read_text() + "pacha.rebuild.hardware = same\n")
    bar.pacha("rebuild", "bar", "--yes")
    assert content(bar, "/etc/fstab") == FSTAB
    assert stat.S_ISREG(bar.at("/etc/machine-id").stat().st_mode)
