"""The volumes of a machine, by the names that its configuration may use for them.

udev makes a link for each such name below /dev/disk (by-uuid, by-label, ...). Without that folder, as in a container,
the volumes are unknown. Left out is what changes by itself, because each change makes a snapshot: names that another
boot may give to another disk (sda, dm-0), volumes that come and go, and mounts by hand or on demand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from pacha.machine import hotplug
from pacha.machine.small_files import first_line, lines, listed
from pacha.system.mounts import read_mounts

_NAMES = ("uuid", "partuuid", "label", "partlabel")  #: each in the folder by-... below /dev/disk
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_OCTAL = re.compile(r"\\([0-7]{3})")  #: a blank in a path of fstab(5)
_ON_DEMAND = frozenset({"noauto", "x-systemd.automount"})
_MOUNTED = 3  #: fields of a line of fstab(5) before the options: source, mount point, type


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A disk, partition or logical volume that has a name: str each, "" and () for none.

    ``device``: its name below /dev if that is lasting (``mapper/vg-root``; an earlier Pacha recorded any); ``ids``: its
    names below /dev/disk/by-id; ``mounted``: where it is always mounted; ``kind``: the type of its file system there.
    """

    device: str = ""
    uuid: str = ""
    partuuid: str = ""
    label: str = ""
    partlabel: str = ""
    ids: tuple[str, ...] = ()
    kind: str = ""
    mounted: tuple[str, ...] = ()


def collect(root: Path, system: Path) -> tuple[Volume, ...] | None:
    """Return the volumes of the machine whose /dev, /sys and /proc are below ``root``, and whose /etc is in ``system``.

    None where they are unknown.
    """
    disk, blocks = root / "dev/disk", root / "sys/class/block"
    if not disk.is_dir():
        return None
    named = {name: _by_device(disk / f"by-{name}") for name in (*_NAMES, "id")}
    mounted = _mounted(root, {"/", *_always_mounted(system)})
    system_devices = hotplug.foundation(blocks, [device for device, of in mounted.items() if "/" in dict(of)])
    system_devices |= frozenset[str]().union(*(hotplug.partitions(blocks, device) for device in system_devices))
    volumes = [
        Volume(
            device=f"mapper/{name}" if (name := first_line(blocks / device / "dm/name")) else "",
            ids=tuple(sorted(named["id"].get(device, ()))),
            kind=next((kind for _, kind in mounted.get(device, ())), ""),
            mounted=tuple(sorted({path for path, _ in mounted.get(device, ())})),
            **{name: min(named[name].get(device, ()), default="") for name in _NAMES},
        )
        for device in set().union(*named.values())
        if device in system_devices or not hotplug.is_fleeting(blocks, device)
    ]
    parted = (part for volume in volumes for part in _parted(root, volume))
    return tuple(sorted(parted, key=lambda volume: (volume.ids, astuple(volume))))


def _parted(root: Path, volume: Volume) -> Iterator[Volume]:
    """Yield ``volume``; for a file system on several disks, it and the disk apart: the link may lead to any of them."""
    if len(listed(root / "sys/fs/btrfs" / volume.uuid / "devices") or () if volume.uuid else ()) < 2:
        yield volume
        return
    yield Volume(uuid=volume.uuid, label=volume.label, kind=volume.kind, mounted=volume.mounted)
    yield replace(volume, uuid="", label="", kind="", mounted=())


def _by_device(folder: Path) -> Mapping[str, list[str]]:
    """Return, by device, the names of the links in ``folder`` that lead to it."""
    names: dict[str, list[str]] = {}
    for name, device in links(folder).items():
        names.setdefault(device, []).append(name)
    return names


def links(folder: Path) -> Mapping[str, str]:
    """Return, by the name of a link in ``folder``, the device that it leads to. udev's escapes in names are undone."""
    return {_unescaped(name): os.path.basename(os.path.realpath(folder / name)) for name in listed(folder) or ()}


def _unescaped(name: str) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(name)))


def _always_mounted(system: Path) -> Iterator[str]:
    """Yield the mount points of fstab(5) that are mounted as long as the machine runs."""
    for line in lines(system / "etc/fstab"):
        fields = line.split()
        if len(fields) >= _MOUNTED and not line.startswith("#"):
            options = fields[_MOUNTED].split(",") if len(fields) > _MOUNTED else ()
            if _ON_DEMAND.isdisjoint(options):
                yield _OCTAL.sub(lambda match: chr(int(match[1], 8) & 0x7F), fields[1])


def _mounted(root: Path, places: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return, by device, at which of ``places`` it is mounted, each with the type of the file system."""
    mounted: dict[str, list[tuple[str, str]]] = {}
    try:
        for mount in read_mounts(root / "proc/self/mountinfo"):
            path = os.fsdecode(mount.path)
            whole = mount.root == b"/" or path == "/"  # not a bind mount; the system may lie in a subvolume
            if mount.source.startswith(b"/dev/") and whole and path in places:
                device = os.path.basename(os.path.realpath(root / os.fsdecode(mount.source[1:])))
                mounted.setdefault(device, []).append((path, os.fsdecode(mount.kind)))
    except OSError:
        return {}
    return mounted
