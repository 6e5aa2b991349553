"""The facts of a machine: its release, architecture and firmware, its network cards and its volumes.

They are only read from files, so that they cost a push a few milliseconds. What comes and goes by itself is left out,
because each change of a fact makes a snapshot.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from pacha.errors import DamagedError
from pacha.machine import hotplug, volumes
from pacha.machine.small_files import first_line, lines, listed
from pacha.machine.volumes import Volume

MOST_BYTES = 1 << 20  #: of the text; no machine needs more
_PERMANENT = "0"  #: in addr_assign_type; other values: a random address, or one that somebody set
_COUNTED = "1"  #: in name_assign_type: names such as eth0 and eth1, in the order of discovery
_MOST_ITEMS = 10_000  #: cards, volumes, names of one volume
_LONGEST = 4096  #: characters of one value


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A network card: its name, its driver, and its MAC address if that is permanent (wireless cards may change it).

    ``name`` is "" where there are several cards that the kernel named in the order of discovery.
    """

    name: str
    mac: str = ""
    driver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a machine is. Texts are str as os.fsdecode() returns them; "" and () mean unknown, or none.

    ``distribution``, ``version`` and ``codename`` are ID, VERSION_ID and VERSION_CODENAME of os-release(5); ``kernel``
    and ``architecture`` are those of uname(2). ``firmware`` is "uefi" or "bios". ``virtualisation`` is the word of
    systemd-detect-virt(1) for a container, else the vendor and the product of the machine (SMBIOS). ``volumes`` is None
    where they cannot be found out, as in a container. The last three fields are dpkg's.
    """

    distribution: str = ""
    version: str = ""
    codename: str = ""
    architecture: str = ""
    kernel: str = ""
    firmware: str = ""
    virtualisation: str = ""
    hostname: str = ""
    cards: tuple[Card, ...] = ()
    volumes: tuple[Volume, ...] | None = None
    foreign_architectures: tuple[str, ...] = ()
    statoverrides: tuple[str, ...] = ()
    diversions: tuple[str, ...] = ()


def collect(root: Path = Path("/"), running: Path = Path("/")) -> Facts:
    """Return the facts of the system whose files are below ``root``. What cannot be read is left out.

    ``running`` is the folder of the machine's /proc, /sys and /dev.
    """
    # os-release(5): /etc wins
    os_release = "\n".join(lines(root / "etc/os-release")) or "\n".join(lines(root / "usr/lib/os-release"))
    release = assignments(os_release)
    kernel = os.uname()
    dpkg, firmware = root / "var/lib/dpkg", running / "sys/firmware"
    return Facts(
        distribution=release.get("ID", ""),
        version=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        architecture=kernel.machine,
        kernel=first_line(running / "proc/sys/kernel/osrelease"),
        firmware="uefi" if (firmware / "efi").is_dir() else "bios" if firmware.is_dir() else "",
        virtualisation=_virtualisation(running),
        hostname=first_line(root / "etc/hostname") or first_line(running / "proc/sys/kernel/hostname"),
        cards=_cards(running / "sys/class/net"),
        volumes=volumes.collect(running, root),
        foreign_architectures=lines(dpkg / "arch")[1:],  # the first is the machine's own
        statoverrides=tuple(sorted(lines(dpkg / "statoverride"))),
        diversions=_diversions(lines(dpkg / "diversions")),
    )


def encode(facts: Facts) -> bytes:
    """Return the text of ``facts``: JSON with each value on a line of its own, so that a diff shows what changed."""
    return json.dumps(asdict(facts), indent=1).encode("ascii") + b"\n"


def decode(text: bytes) -> Facts:
    """Return the facts in ``text``, which may be forged; keys of a later Pacha are ignored.

    Raises DamagedError for a value that no Pacha writes.
    """
    try:
        if len(text) > MOST_BYTES:
            raise ValueError("it is longer than any such text")
        loaded = _known(Facts, json.loads(text))
        recorded = loaded.pop("volumes", None)
        return Facts(
            cards=tuple(Card(**_texts(Card, item)) for item in _items(loaded.pop("cards", []))),
            volumes=None if recorded is None else tuple(map(_volume, _items(recorded))),
            foreign_architectures=_list(loaded.pop("foreign_architectures", [])),
            statoverrides=_list(loaded.pop("statoverrides", [])),
            diversions=_list(loaded.pop("diversions", [])),
            **_texts(Facts, loaded),
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedError(
            "What the snapshot says of its machine cannot be read.",
            str(error)[:200],
            "Choose another snapshot with --at.",
            code="facts-damaged",
        ) from None


def assignments(text: str) -> dict[str, str]:
    """Return the values, by name, in a text in the format of os-release(5)."""
    return dict(re.findall(r"""^([A-Z_]+)=["']?([^"'\n]*)""", text, re.MULTILINE))


def _virtualisation(root: Path) -> str:
    container = first_line(root / "run/systemd/container")
    if container or (root / "run/.containerenv").exists() or (root / ".dockerenv").exists():
        return container or "container"
    smbios = root / "sys/class/dmi/id"
    return " ".join(filter(None, (first_line(smbios / "sys_vendor"), first_line(smbios / "product_name"))))


def _cards(net: Path) -> tuple[Card, ...]:
    """Return the cards that stay: hardware, which has a device, unlike bridges, tunnels and containers' interfaces.

    Cards that can be pulled out, and those that another card makes for virtual machines (``physfn``), do not stay.
    """
    devices = [net / name for name in listed(net) or () if (net / name / "device").exists()]
    physical = [card for card in devices if not (card / "device/physfn").exists()]
    cards = [_card(card) for card in physical if not hotplug.can_be_pulled_out(card / "device")]
    counted = [card.name for card in cards if first_line(net / card.name / "name_assign_type") == _COUNTED]
    if len(counted) > 1:
        cards = [replace(card, name="") if card.name in counted else card for card in cards]
    return tuple(sorted(cards, key=lambda card: (card.mac, card.name)))


def _card(card: Path) -> Card:
    driver = card / "device/driver"
    mac = first_line(card / "bonding_slave/perm_hwaddr")  # a bond gives all its cards one address
    if not mac and first_line(card / "addr_assign_type") in ("", _PERMANENT):
        mac = first_line(card / "address")
    return Card(name=card.name, mac=mac, driver=os.path.basename(os.path.realpath(driver)) if driver.exists() else "")


def _diversions(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return the local diversions, ``from -> to``. Each has three lines (dpkg-divert(1)); the third is ":"."""
    threes = zip(lines[0::3], lines[1::3], lines[2::3], strict=False)
    return tuple(sorted(f"{path} -> {to}" for path, to, package in threes if package == ":"))


def _known(kind: type[Any], loaded: object) -> dict[str, Any]:
    if not isinstance(loaded, dict):
        raise ValueError("something is not an object")
    names = {field.name for field in fields(kind)}
    return {key: value for key, value in loaded.items() if key in names}


def _items(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) > _MOST_ITEMS:
        raise ValueError("something is not a list, or is too long")
    return value


def _list(value: object) -> tuple[str, ...]:
    return tuple(map(_text, _items(value)))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise ValueError("something is not a text, or is too long")
    return value


def _texts(kind: type[Any], loaded: object) -> dict[str, Any]:
    return {key: _text(value) for key, value in _known(kind, loaded).items()}


def _volume(item: object) -> Volume:
    loaded = _known(Volume, item)
    ids, mounted = _list(loaded.pop("ids", [])), _list(loaded.pop("mounted", []))
    return Volume(ids=ids, mounted=mounted, **_texts(Volume, loaded))
