"""The volumes of a machine, by the names under which its configuration may speak of them.

udev makes a link for each such name below /dev/disk (by-uuid, by-label, ...); a machine without that folder, as a
container, does not tell which volumes it has. Names that another boot may give to another disk (sda, dm-0) are no
facts, nor are volumes that come and go, nor what is mounted by hand or at need: each would make a snapshot.
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

_NAMES = ("uuid", "partuuid", "label", "partlabel")  #: in the folder by-... of each
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_OCTAL = re.compile(r"\\([0-7]{3})")  #: a blank in a path of fstab(5)
_AT_NEED = frozenset({"noauto", "x-systemd.automount"})
_MOUNTED = 3  #: fields of a line of fstab(5) that are read: source, place, type; then the options


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A disk, partition or logical volume that has a name: str each, "" and () for none.

    ``device``: its name below /dev where that says which it is (``mapper/vg-root``; an earlier Pacha wrote any);
    ``ids``: its names below /dev/disk/by-id; ``mounted``: where it always is; ``kind``: the type of its file system, if
    it is mounted there.
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
    """The volumes of the machine whose /dev, /sys and /proc lie below ``root``; None where it does not tell.

    ``system``: where its /etc lies.
    """
    disk, blocks = root / "dev/disk", root / "sys/class/block"
    if not disk.is_dir():
        return None
    named = {name: _by_device(disk / f"by-{name}") for name in (*_NAMES, "id")}
    mounted = _mounted(root, {"/", *_always_mounted(system)})
    own = hotplug.foundation(blocks, [device for device, of in mounted.items() if "/" in dict(of)])
    own |= frozenset[str]().union(*(hotplug.partitions(blocks, device) for device in own))
    volumes = [
        Volume(
            device=f"mapper/{name}" if (name := first_line(blocks / device / "dm/name")) else "",
            ids=tuple(sorted(named["id"].get(device, ()))),
            kind=next((kind for _, kind in mounted.get(device, ())), ""),
            mounted=tuple(sorted({path for path, _ in mounted.get(device, ())})),
            **{name: min(named[name].get(device, ()), default="") for name in _NAMES},
        )
        for device in set().union(*named.values())
        if device in own or not hotplug.is_fleeting(blocks, device)
    ]
    parted = (part for volume in volumes for part in _parted(root, volume))
    return tuple(sorted(parted, key=lambda volume: (volume.ids, astuple(volume))))


def _parted(root: Path, volume: Volume) -> Iterator[Volume]:
    """``volume``, or the file system and the disk apart, where it lies on several, of which any may be linked to."""
    if len(listed(root / "sys/fs/btrfs" / volume.uuid / "devices") or () if volume.uuid else ()) < 2:
        yield volume
        return
    yield Volume(uuid=volume.uuid, label=volume.label, kind=volume.kind, mounted=volume.mounted)
    yield replace(volume, uuid="", label="", kind="", mounted=())


def _by_device(folder: Path) -> Mapping[str, list[str]]:
    """The names in ``folder`` by the device that they lead to."""
    names: dict[str, list[str]] = {}
    for name, device in links(folder).items():
        names.setdefault(device, []).append(name)
    return names


def links(folder: Path) -> Mapping[str, str]:
    """The names in ``folder``, as they were before udev escaped them, each with the device that it leads to."""
    return {_unescaped(name): os.path.basename(os.path.realpath(folder / name)) for name in listed(folder) or ()}


def _unescaped(name: str) -> str:
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(name)))


def _always_mounted(system: Path) -> Iterator[str]:
    """The places that fstab(5) has something mounted at from the start of the machine to its end."""
    for line in lines(system / "etc/fstab"):
        fields = line.split()
        if len(fields) >= _MOUNTED and not line.startswith("#"):
            options = fields[_MOUNTED].split(",") if len(fields) > _MOUNTED else ()
            if _AT_NEED.isdisjoint(options):
                yield _OCTAL.sub(lambda match: chr(int(match[1], 8) & 0x7F), fields[1])


def _mounted(root: Path, places: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """By device, at which of ``places`` it is mounted, and the type of the file system."""
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
