"""The volumes of a machine, by the names under which its configuration may speak of them.

udev makes a link for each such name below /dev/disk (by-uuid, by-label, ...); a machine without that folder, as a
container, does not tell which volumes it has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pacha.machine.small_files import listed
from pacha.system.mounts import read_mounts

_NAMES = ("uuid", "partuuid", "label", "partlabel")  #: in the folder by-... of each
_FLEETING = re.compile(r"(loop|ram|zram|sr|fd|nbd)\d")  #: come and go, or hold nothing that lasts
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A disk, partition or logical volume that has a name: str each, "" and () for none.

    ``device``: its name below /dev; ``ids``: its names below /dev/disk/by-id; ``kind``: the type of the file system
    that is mounted from it; ``mounted``: where.
    """

    device: str
    uuid: str = ""
    partuuid: str = ""
    label: str = ""
    partlabel: str = ""
    ids: tuple[str, ...] = ()
    kind: str = ""
    mounted: tuple[str, ...] = ()


def collect(root: Path) -> tuple[Volume, ...] | None:
    """The volumes of the machine whose files lie below ``root``; None where it does not tell."""
    disk = root / "dev/disk"
    if not disk.is_dir():
        return None
    named = {name: _by_device(disk / f"by-{name}") for name in (*_NAMES, "id")}
    mounted = _mounted(root)
    return tuple(
        Volume(
            device=device,
            ids=tuple(sorted(named["id"].get(device, ()))),
            kind=next((kind for _, kind in mounted.get(device, ())), ""),
            mounted=tuple(sorted({path for path, _ in mounted.get(device, ())})),
            **{name: min(named[name].get(device, ()), default="") for name in _NAMES},
        )
        for device in sorted(set().union(*named.values()))
        if not _FLEETING.match(device) and not _is_removable(root, device)
    )


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


def _is_removable(root: Path, device: str) -> bool:
    """Whether it is a stick or a card, or a partition of one, which is another one tomorrow."""
    place = root / "sys/class/block" / device
    flags = (place / "removable", Path(os.path.realpath(place)).parent / "removable")
    return any(flag.read_bytes().startswith(b"1") for flag in flags if flag.is_file())


def _mounted(root: Path) -> dict[str, list[tuple[str, str]]]:
    """By device, where it is mounted and the type of the file system."""
    mounted: dict[str, list[tuple[str, str]]] = {}
    try:
        for mount in read_mounts(root / "proc/self/mountinfo"):
            whole = mount.root == b"/" or mount.path == b"/"  # not a bind mount; the system may lie in a subvolume
            if mount.source.startswith(b"/dev/") and whole:
                device = os.path.basename(os.path.realpath(root / os.fsdecode(mount.source[1:])))
                mounted.setdefault(device, []).append((os.fsdecode(mount.path), os.fsdecode(mount.kind)))
    except OSError:
        return {}
    return mounted
