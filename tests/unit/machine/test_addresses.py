"""What servers listen at, in their several languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine import addresses
from pacha.machine.inventory import Inventory
from pacha.machine.references import Named, Reference, read
from tests.support import machines


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("server {\n listen 192.0.2.1:80 default_server;\n listen [2001:DB8::1]:443 ssl;\n}", "192.0.2.1 2001:db8::1"),
        ("Listen 192.0.2.1:8080\nListen 80\n", "192.0.2.1"),
        ("frontend web\n  bind 192.0.2.1:80,192.0.2.2:80\n  bind *:443\n", "192.0.2.1 192.0.2.2"),
        ("inet_interfaces = 192.0.2.1, localhost\n", "192.0.2.1"),
        ("inet_interfaces = loopback-only\nmyhostname = 192.0.2.9\n", ""),
        ("\tlisten-on port 53 { 127.0.0.1; 192.0.2.1; };\n\tlisten-on-v6 { any; };\n", "127.0.0.1 192.0.2.1"),
        ("listen_addresses = 'localhost,192.0.2.1'\t# what IP\n#listen_addresses = '192.0.2.9'\n", "192.0.2.1"),
        ("bind-address            = 192.0.2.1\n", "192.0.2.1"),
        ("listen-address=192.0.2.1\n", "192.0.2.1"),
        ("server { listen 192.0.2.1:80; allow 192.0.2.8; listen 192.0.2.2; }", "192.0.2.1 192.0.2.2"),
        ("server { listen unix:/run/x.sock; listen 8080; }", ""),
    ],
)  # fmt: skip
def test_addresses(text: str, found: str) -> None:
    read_ones = read(addresses.listens, "/etc/any", text.encode())
    assert [(one.about, one.value) for one in read_ones] == [(Named.ADDRESS, value) for value in found.split()]


def test_cards() -> None:
    text = b'interface=eth1\nINTERFACESv4="eth2 eth3"\ninterface br0 {\n'
    names = [one.value for one in read(addresses.listens, "/etc/any", text) if one.about is Named.INTERFACE]
    assert names == ["eth1", "eth2", "eth3", "br0"]


def test_settings_of_a_card() -> None:
    text = b"net.ipv4.conf.enp1s0.rp_filter = 1\nnet/ipv6/conf/eth0/autoconf=0\nnet.ipv4.conf.all.forwarding=1\n"
    assert [one.value for one in read(addresses.settings, "/etc/sysctl.d/x", text)] == ["enp1s0", "eth0"]


def test_the_addresses_of_a_machine(tmp_path: Path) -> None:
    here = Inventory(root=tmp_path, running=tmp_path)
    assert here.has(Reference(Named.ADDRESS, "192.0.2.1")) is None
    net = tmp_path / "proc/self/net"
    machines.write(
        net / "fib_trie", "     |-- 192.0.2.1\n        /32 host LOCAL\n     |-- 192.0.2.9\n        /32 link BROADCAST\n"
    )
    machines.write(net / "if_inet6", "20010db8000000000000000000000001 01 80 10 80 eth0\n")
    here = Inventory(root=tmp_path, running=tmp_path)
    found = {
        value: here.has(Reference(Named.ADDRESS, value)) for value in ("192.0.2.1", "2001:db8::1", "192.0.2.9", "::")
    }
    assert found == {"192.0.2.1": True, "2001:db8::1": True, "192.0.2.9": False, "::": True}
