"""Find devices that can be pulled out, or come and go: they must not be facts, because a new fact makes a snapshot.

A device is a folder below /sys/devices, inside the folders of the buses that it is attached to. The file ``removable``
says whether a port's device can be unplugged ("removable": ``sysfs-bus-usb`` and ``sysfs-devices-removable`` in the
kernel's documentation), or a drive's medium taken out ("1").
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from pacha.machine.small_files import first_line, listed

_VIRTUAL = re.compile(r"(loop|ram|zram|sr|fd|nbd|rbd)\d")  #: devices that come and go, or hold nothing that lasts
_USB = re.compile(r"usb\d+")
_ABOVE = 16  #: folders above a device that are looked at


def can_be_pulled_out(device: Path) -> bool:
    """Whether the ``device`` in /sys, or one that it is attached to, can be pulled out."""
    place = Path(os.path.realpath(device))
    folders = (place, *place.parents[:_ABOVE])
    return any(first_line(folder / "removable") in ("1", "removable") for folder in folders)


def is_fleeting(blocks: Path, name: str) -> bool:
    """Whether the block device ``name`` in ``blocks`` (/sys/class/block), or a part of it, comes and goes."""
    place = Path(os.path.realpath(blocks / name))
    if _VIRTUAL.match(name) or any(map(_USB.fullmatch, place.parts)) or can_be_pulled_out(place):
        return True
    if first_line(place / "device/type") == "SD" or first_line(place.parent / "device/type") == "SD":
        return True  # a memory card; a soldered chip says MMC
    return any(is_fleeting(blocks, slave) for slave in listed(place / "slaves") or ())


def foundation(blocks: Path, names: Collection[str]) -> frozenset[str]:
    """Return the block devices ``names`` with all disks and devices that they are made of."""
    devices = set(names)
    for name in names:
        place = Path(os.path.realpath(blocks / name))
        below = listed(place / "slaves") or ([place.parent.name] if (place / "partition").exists() else [])
        devices |= foundation(blocks, below)
    return frozenset(devices)


def partitions(blocks: Path, disk: str) -> frozenset[str]:
    """Return the names of the partitions of ``disk``."""
    return frozenset(name for name in listed(blocks / disk) or () if (blocks / disk / name / "partition").exists())
