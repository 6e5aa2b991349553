"""What the files of the network refer to."""

from __future__ import annotations

from pacha.machine import network
from pacha.machine.references import Named, Reader, read

MAC = "52:54:00:aa:bb:01"


def found(reader: Reader, text: str, path: str = "/etc/x") -> list[tuple[Named, str]]:
    return [(reference.about, reference.value) for reference in read(reader, path, text.encode())]


def names(reader: Reader, text: str, path: str = "/etc/x") -> list[str]:
    return [value for about, value in found(reader, text, path) if about is Named.INTERFACE]


def test_ifupdown_names_cards() -> None:
    text = """
source /etc/network/interfaces.d/*
auto lo br0
iface lo inet loopback
allow-hotplug enp1s0
iface br0 inet dhcp
    bridge_ports eno1 lan0
    hwaddress ether 52:54:00:aa:bb:ff
iface eth0.100 inet static
# auto eth7
"""
    assert set(names(network.interfaces, text)) == {"lo", "br0", "enp1s0", "eno1", "lan0", "eth0", "eth0.100"}
    assert [about for about, _ in found(network.interfaces, text) if about is Named.MAC] == []


def test_names_are_found_in_rules_of_a_firewall_and_in_file_names() -> None:
    text = 'iifname { "eth0", wlan0 } accept\n-A INPUT -i enp3s0f1 -j DROP\nnet eno2 detect\nenough ens lens5 eth\n'
    assert names(network.names, text) == ["eth0", "wlan0", "enp3s0f1", "eno2"]
    assert names(network.names, "", "/etc/network/route-eth3") == ["eth3"]
    assert names(network.names, "", "/etc/systemd/network/methods.d") == []


def test_network_scripts_match_by_address() -> None:
    text = f'DEVICE="lan0"\nHWADDR={MAC}\nMACADDR=52:54:00:00:00:09\n'
    assert found(network.ifcfg, text) == [(Named.INTERFACE, "lan0"), (Named.MAC, MAC)]


def test_networkd_matches_and_what_it_sets_is_none() -> None:
    text = f"""
[Match]
Name=en* eth*
PermanentMACAddress={MAC}
Path=pci-0000:03:00.0
[Link]
MACAddress=52:54:00:00:00:09
Name=lan0
"""
    expected = [(Named.INTERFACE, "en* eth*"), (Named.MAC, MAC), (Named.PCI, "0000:03:00.0")]
    assert found(network.networkd, text) == expected
    assert found(network.networkd, "[Match]\nName=!eth*\n") == []


def test_profiles_of_network_manager() -> None:
    text = f"[connection]\ninterface-name=eth0\n[ethernet]\nmac-address={MAC}\ncloned-mac-address=52:54:00:00:00:09\n"
    assert found(network.network_manager, text) == [(Named.INTERFACE, "eth0"), (Named.MAC, MAC)]


def test_netplan_names_and_matches() -> None:
    text = f"""
network:
  version: 2
  ethernets:
    lan:
      match:
        macaddress: "{MAC}"
      set-name: eth9
      dhcp4: true
    enp1s0:
      macaddress: 52:54:00:00:00:09
    any:
      match: {{name: "enp*", macaddress: 52:54:00:00:00:02}}
    others:
      match:
        name: en*
  bridges:
    br0:
      interfaces: [enp1s0]
      macaddress: 52:54:00:00:00:08
"""
    assert found(network.netplan, text) == [
        (Named.MAC, MAC),
        (Named.INTERFACE, "enp1s0"),
        (Named.MAC, "52:54:00:00:00:02"),
        (Named.INTERFACE, "en*"),
    ]


def test_rules_of_udev() -> None:
    text = f"""
SUBSYSTEM=="net", ATTR{{address}}=="{MAC}", NAME="lan0"
KERNELS=="0000:03:00.0", NAME="wan0"
ENV{{ID_SERIAL_SHORT}}=="WD-123", SYMLINK+="backup"
ENV{{ID_SERIAL}}=="?*", ATTR{{address}}=="?*", GOTO="end"
ENV{{ID_FS_UUID}}=="1111-2222", RUN+="/bin/true"
"""
    assert found(network.rules, text) == [
        (Named.MAC, MAC),
        (Named.PCI, "0000:03:00.0"),
        (Named.DISK_ID, "WD-123"),
        (Named.UUID, "1111-2222"),
    ]
