"""The table: which row holds for a path."""

from __future__ import annotations

import pytest

from pacha.machine import disks, network
from pacha.machine.policies import TABLE, Policy, row_of


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/etc/fstab", Policy.CHECK),
        ("/etc/machine-id", Policy.KEEP),
        ("/etc/netplan/50-cloud-init.yaml", Policy.KEEP),
        ("/etc/netplan/01-netcfg.yaml", Policy.CHECK),
        ("/etc/udev/rules.d/70-persistent-net.rules", Policy.KEEP),
        ("/etc/udev/rules.d/80-own.rules", Policy.CHECK),
        ("/etc/iscsi/nodes/iqn/10.0.0.1/default", Policy.KEEP),
        ("/etc/ld.so.cache", Policy.GENERATED),
        ("/etc/apt/sources.list.d/own.list", Policy.SAME_RELEASE),
        ("/etc/X11/xorg.conf.d/00-keyboard.conf", Policy.RESTORE),
        ("/etc/X11/xorg.conf.d/10-nvidia.conf", Policy.CHECK),
    ],
)
def test_a_file_has_its_row(path: str, policy: Policy) -> None:
    row = row_of(path)
    assert row is not None and row.policy is policy


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssh/ssh_host_ed25519_key", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/iscsi/iscsid.conf",
        "/etc/nvme/discovery.conf", "/etc/apt/keyrings/own.gpg", "/etc/nginx/mime.types", "/srv/etc/fstab", "/etc",
        "/", "",
        "/etc/fstab/below", "/etc/network/interfaces.d/below/it", "/etc/localtime", "/etc/wireguard/wg0.conf",
    ],
)  # fmt: skip
def test_what_is_the_hosts_has_none(path: str) -> None:
    assert row_of(path) is None


def test_the_table_is_whole() -> None:
    patterns = [pattern for row in TABLE for pattern in row.patterns]
    assert len(patterns) == len(set(patterns)) and all(pattern.startswith("/") for pattern in patterns)
    assert all((row.reader is not None) for row in TABLE if row.policy is Policy.CHECK)
    assert all(row.reason and "." not in row.reason for row in TABLE)
    found = [row_of("/etc/default/grub"), row_of("/etc/systemd/network/10-lan.link")]
    assert [row and row.reader for row in found] == [disks.words, network.networkd]
