"""What files about the network refer to: cards by name, by MAC address and by their place on the bus.

``inventory`` looks only for names that the kernel or udev gives to hardware: bridges, tunnels and VLANs are created by
the very files that name them. A MAC address that a file *sets* (``hwaddress``, ``MACAddress=`` in ``[Link]``,
``cloned-mac-address``) is not a reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pacha.machine.references import Named, Reference, assignments, lines, sections, unquoted

_MAC = re.compile(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b")
#: names that the kernel or udev gives to hardware (systemd.net-naming-scheme(7))
CARD = (
    r"(?:eth\d{1,3}|em\d{1,2}|p\d{1,3}p\d{1,3}|ib\d{1,3}|usb\d|wlan\d{1,2}|wwan\d{1,2}"
    r"|(?:en|wl|ww|ib|sl)(?:o\d+|s\d+|P?\d*p\d+s\d+|x[0-9a-f]{12}|b\d+|c[0-9a-f.]+|a[A-Z0-9]+i\d+|v\d+)"
    r"[a-z0-9]{0,16})"
)
_CARD = re.compile(rf"(?<![\w./-]){CARD}(?![\w-])")
_IN_NAME = re.compile(rf"(?<![A-Za-z0-9]){CARD}(?![a-z0-9])")
_PCI = re.compile(r"\b[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]\b")
_MATCHED = frozenset({"name", "originalname"})
_MACS = frozenset({"macaddress", "permanentmacaddress"})
_RULE_MAC = re.compile(r"ATTRS?\{address\}==\"([^\"]{1,200})\"")
_RULE_PCI = re.compile(r"KERNELS?==\"([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\"")
_RULE_SERIAL = re.compile(r"ENV\{ID_SERIAL(?:_SHORT)?\}==\"([^\"*?\[]{1,200})\"")
_RULE_UUID = re.compile(r"ENV\{ID_FS_UUID\}==\"([0-9A-Fa-f-]{4,64})\"")
_IFUPDOWN = re.compile(
    r"(?:auto|allow-\S+|iface|bridge[_-]ports|bond[_-]slaves|slaves|vlan[_-]raw[_-]device|bond[_-]primary)\s+(.+)"
)


def names(path: str, text: str) -> Iterator[Reference]:
    """Yield the names of cards anywhere in the text, except in comments, and in the name of the file."""
    for match in _IN_NAME.finditer(path.rpartition("/")[2]):
        yield Reference(Named.INTERFACE, match[0])
    for line in lines(text):
        yield from (Reference(Named.INTERFACE, match[0]) for match in _CARD.finditer(line))


def interfaces(path: str, text: str) -> Iterator[Reference]:
    """Yield the cards in interfaces(5) of ifupdown, also those that somebody named, and patterns."""
    yield from names(path, text)
    for line in lines(text):
        if match := _IFUPDOWN.match(line):
            words = match[1].split()[: 1 if line.startswith("iface") else None]
            yield from (Reference(Named.INTERFACE, word.lstrip("/").partition("=")[0]) for word in words)


def ifcfg(path: str, text: str) -> Iterator[Reference]:
    """Yield the cards in files of network-scripts, netifrc (Gentoo) and netctl (Arch)."""
    yield from names(path, text)
    for key, value in assignments(text):
        if key == "hwaddr" and _MAC.fullmatch(value):
            yield Reference(Named.MAC, value)
        elif key in ("device", "physdev", "interface"):
            yield Reference(Named.INTERFACE, value)


def networkd(path: str, text: str) -> Iterator[Reference]:
    """Yield what systemd.network(5) and systemd.link(5) match. Of the alternatives in a line, one has to be here."""
    for section, key, value in sections(text):
        if section == "match" and key in _MATCHED and not value.startswith("!"):
            yield Reference(Named.INTERFACE, value)
        elif section == "match" and key in _MACS:
            yield Reference(Named.MAC, value)
        elif section == "match" and key == "path":
            yield from (Reference(Named.PCI, address) for address in _PCI.findall(value))


def network_manager(path: str, text: str) -> Iterator[Reference]:
    """Yield the card that a profile of NetworkManager is for."""
    for _, key, value in sections(text):
        if key in ("interface-name", "parent"):
            yield Reference(Named.INTERFACE, value.rstrip(";"))
        elif key in ("mac-address", "match-device", "unmanaged-devices"):
            yield from (Reference(Named.MAC, mac) for mac in _MAC.findall(value))


def netplan(path: str, text: str) -> Iterator[Reference]:
    """Yield the cards of a netplan file: the keys below ``ethernets`` and ``wifis``, and what their ``match`` matches.

    The YAML is read line by line, as people and installers write it. In a flow (``{...}``) only names that hardware
    gets, and the MAC addresses of a ``match``, count.
    """
    kind, depth, match_depth = "", -1, -1
    for line in text.split("\n"):
        bare, indent = line.split(" #")[0].strip(), len(line) - len(line.lstrip(" "))
        if not bare or bare.startswith("#"):
            continue
        if match_depth >= 0 and indent <= match_depth:
            match_depth = -1
        if indent <= depth:
            kind, depth = "", -1
        key, _, value = bare.partition(":")
        if unquoted(key) in ("ethernets", "wifis", "modems"):
            kind, depth = key, indent
        if key == "match":
            match_depth = indent
            yield from _matched(value)
        elif match_depth >= 0:
            yield from _matched(bare)
        elif kind:
            yield from (Reference(Named.INTERFACE, match[0]) for match in _CARD.finditer(bare) if key != "set-name")


def rules(path: str, text: str) -> Iterator[Reference]:
    """Yield what a rule of udev(7) matches by serial number, UUID, MAC address or place on the bus."""
    for line in lines(text):
        yield from (Reference(Named.MAC, mac) for mac in _RULE_MAC.findall(line) if _MAC.fullmatch(mac))
        yield from (Reference(Named.PCI, address) for address in _RULE_PCI.findall(line))
        yield from (Reference(Named.DISK_ID, serial) for serial in _RULE_SERIAL.findall(line))
        yield from (Reference(Named.UUID, uuid) for uuid in _RULE_UUID.findall(line))


def _matched(text: str) -> Iterator[Reference]:
    if "macaddress" in text:
        yield from (Reference(Named.MAC, mac) for mac in _MAC.findall(text))
    elif name := re.search(r"\bname:\s*([^\s,}]+)", text):
        yield Reference(Named.INTERFACE, unquoted(name[1]))
