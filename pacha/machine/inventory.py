"""Look up the things that files refer to: what a machine has below /dev, /sys and its system folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

from pacha.machine.disks import NAMED_IN
from pacha.machine.network import CARD
from pacha.machine.references import Named, Reference
from pacha.machine.small_files import content, first_line, lines, listed
from pacha.machine.volumes import links
from pacha.system.mounts import read_mounts

_TAGS = {named: folder for folder, named in NAMED_IN.items()}
_HARDWARE = re.compile(CARD)
_BUILT_IN = frozenset({"files", "dns", "db"})  #: name services of the C library itself
_LARGEST_LIST = 8 << 20  #: bytes of the list of a kernel's modules
_SIX = re.compile(r"[0-9a-f]{32} ")  #: an address in if_inet6 (proc_net(5))
_ARRAY = "md-uuid-"  #: how a name of an array begins in /dev/disk/by-id
_PUNCTUATION = re.compile(r"[:.-]")
_LONGEST = 300  #: characters of a pattern that are matched
_LIBRARIES = ("lib", "lib64", "usr/lib", "usr/lib64", "usr/lib32")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """A machine: ``root`` is the folder of its files, ``running`` that of its /dev, /sys and /proc.

    ``wanted`` returns whether a path is restored together with the file that names it. ``cards`` are the names of the
    network cards of the machine that the files come from.
    """

    root: Path = Path("/")
    running: Path = Path("/")
    wanted: Callable[[str], bool] = lambda path: False
    cards: frozenset[str] = frozenset()

    def has(self, reference: Reference) -> bool | None:
        """Whether the thing that ``reference`` names is here; None where that cannot be found out."""
        about, value = reference.about, reference.value
        if about in _TAGS:
            return self._named(_TAGS[about], value)
        return _CHECKS[about](self, value)

    def _named(self, folder: str, name: str) -> bool | None:
        known = self._disk_names
        return None if known is None else name.lower() in known.get(folder, ())

    def device(self, path: str) -> bool | None:
        """Whether a path below /dev is here; ``*`` at its end stands for anything."""
        if self._disk_names is None:
            return None
        return self._exists(self.running, path)

    def disk(self, part: str) -> bool | None:
        """Whether a disk with ``part`` in one of its names is here: a serial number, a WWID."""
        known = self._disk_names
        return None if known is None else any(part.lower() in name for name in known.get("by-id", ()))

    def array(self, uuid: str) -> bool | None:
        """Whether a RAID array is here, by the UUID in its name; only the digits count (mdadm.conf(5))."""
        known, wanted = self._disk_names, _PUNCTUATION.sub("", uuid.lower())
        names = (known or {}).get("by-id", ())
        arrays = [_PUNCTUATION.sub("", name[len(_ARRAY) :]) for name in names if name.startswith(_ARRAY)]
        return None if known is None else any(array.startswith(wanted) for array in arrays)

    def file_system(self, kind: str) -> bool | None:
        """Whether a file system of this type is mounted."""
        try:
            return any(os.fsdecode(mount.kind) == kind for mount in read_mounts(self.running / "proc/self/mountinfo"))
        except OSError:
            return None

    def interface(self, names: str) -> bool | None:
        """Whether a card matches one of the names or patterns. A name that hardware does not get counts as here."""
        cards = listed(self.running / "sys/class/net")
        if cards is None:
            return None
        patterns = [word.partition(":")[0].rpartition(".")[0] or word.partition(":")[0] for word in names.split()]
        bound = [pattern for pattern in patterns if len(pattern) > _LONGEST or self._is_hardware(pattern)]
        matches = (fnmatchcase(name, pattern[:_LONGEST]) for pattern in bound for name in cards)
        return len(bound) < len(patterns) or any(matches)

    def address(self, address: str) -> bool | None:
        """Whether an IP address (as ``str(ip_address())``) is this machine's, or stands for every address."""
        known = self._addresses
        return None if known is None else ip_address(address).is_unspecified or address in known

    def is_card(self, reference: Reference) -> bool:
        """Whether ``reference`` names a network card of this machine's hardware."""
        if reference.about is Named.INTERFACE:
            cards = filter(_HARDWARE.fullmatch, listed(self.running / "sys/class/net") or ())
            return any(fnmatchcase(card, word[:_LONGEST]) for card in cards for word in reference.value.split())
        return reference.about is Named.MAC and self.mac(reference.value) is True

    def mac(self, macs: str) -> bool | None:
        """Whether a card has one of these MAC addresses, permanently or at present."""
        known = self._macs
        return None if known is None else any(mac.lower().replace("-", ":") in known for mac in macs.split())

    def pci(self, address: str) -> bool | None:
        """Whether a device is at this address of the PCI bus."""
        addresses = listed(self.running / "sys/bus/pci/devices")
        return None if addresses is None else address.lower() in addresses

    def pci_id(self, pair: str) -> bool | None:
        """Whether a PCI card with this vendor and device (``10de:1b80``) is here."""
        known = self._pci_ids
        return None if known is None else pair.lower() in known

    def module(self, name: str) -> bool | None:
        """Whether an installed kernel has this module."""
        known = self._modules
        return None if known is None else name.replace("-", "_") in known

    def file(self, path: str) -> bool | None:
        """Whether a file is on this system, or is about to be restored."""
        return self.wanted(path) or self._exists(self.root, path)

    def sysfs(self, path: str) -> bool | None:
        """Whether a path below /sys is here."""
        return None if listed(self.running / "sys") is None else self._exists(self.running, path)

    def pam(self, name: str) -> bool | None:
        """Whether a PAM module is installed."""
        known = self._pam
        return None if not known else name in known

    def nss(self, name: str) -> bool | None:
        """Whether a name service (nsswitch.conf(5)) is installed."""
        known = self._libraries
        return None if not known else name in _BUILT_IN or f"libnss_{name}.so.2" in known

    @cached_property
    def _disk_names(self) -> Mapping[str, frozenset[str]] | None:
        """By folder of /dev/disk the names there, in lower case (a FAT's UUID is written in either)."""
        disk = self.running / "dev/disk"
        folders = listed(disk)
        if folders is None:
            return None
        return {folder: frozenset(name.lower() for name in links(disk / folder)) for folder in folders}

    @cached_property
    def _addresses(self) -> frozenset[str] | None:
        return _addresses(self.running / "proc/self/net")

    @cached_property
    def _macs(self) -> frozenset[str] | None:
        return _macs(self.running / "sys/class/net")

    @cached_property
    def _pci_ids(self) -> frozenset[str] | None:
        return _pci_ids(self.running / "sys/bus/pci/devices")

    @cached_property
    def _modules(self) -> frozenset[str] | None:
        return _modules(self.root)

    @cached_property
    def _pam(self) -> frozenset[str]:
        return _libraries(self.root, "security")

    @cached_property
    def _libraries(self) -> frozenset[str]:
        return _libraries(self.root, "")

    def _is_hardware(self, name: str) -> bool:
        literal = re.split(r"[*?\[]", name, maxsplit=1)[0]
        if literal != name:
            return literal.startswith(("en", "eth", "wl", "ww"))
        return name in self.cards or _HARDWARE.fullmatch(name) is not None

    @staticmethod
    def _exists(root: Path, path: str) -> bool:
        if ".." in path.split("/") or len(path) > 4000 or "\0" in path:
            return False
        place = os.path.join(os.fspath(root), path.lstrip("/"))
        if not path.endswith("*"):
            return os.path.lexists(place)
        folder, _, beginning = place[:-1].rpartition("/")
        return any(name.startswith(beginning) for name in listed(Path(folder)) or ())


_CHECKS: Mapping[Named, Callable[[Inventory, str], bool | None]] = {
    Named.DEVICE: Inventory.device,
    Named.DISK_ID: Inventory.disk,
    Named.ARRAY: Inventory.array,
    Named.FILE_SYSTEM: Inventory.file_system,
    Named.INTERFACE: Inventory.interface,
    Named.ADDRESS: Inventory.address,
    Named.MAC: Inventory.mac,
    Named.PCI: Inventory.pci,
    Named.PCI_ID: Inventory.pci_id,
    Named.MODULE: Inventory.module,
    Named.FILE: Inventory.file,
    Named.SYSFS: Inventory.sysfs,
    Named.PAM: Inventory.pam,
    Named.NSS: Inventory.nss,
    Named.CHIP: lambda inventory, name: False,
}


def _addresses(net: Path) -> frozenset[str] | None:
    """Return the addresses of all interfaces, as the kernel lists them (proc_net(5)); None where it does not."""
    routes = lines(net / "fib_trie")
    if not routes:
        return None
    pairs = pairwise(routes)
    four = [above.split()[-1] for above, line in pairs if line.endswith("/32 host LOCAL")]
    six = [str(ip_address(bytes.fromhex(line[:32]))) for line in lines(net / "if_inet6") if _SIX.match(line)]
    return frozenset((*four, *six))


def _macs(net: Path) -> frozenset[str] | None:
    cards = listed(net)
    if cards is None:
        return None
    places = (net / card / name for card in cards for name in ("address", "bonding_slave/perm_hwaddr"))
    return frozenset(first_line(place).lower() for place in places)


def _pci_ids(devices: Path) -> frozenset[str] | None:
    addresses = listed(devices)
    if addresses is None:
        return None
    pairs = ((first_line(devices / address / name) for name in ("vendor", "device")) for address in addresses)
    return frozenset(":".join(number.lower()[2:] for number in pair) for pair in pairs)


def _modules(root: Path) -> frozenset[str] | None:
    """Return the modules of all installed kernels, built in or not, with ``_`` for ``-``; None without a kernel."""
    folders = [root / library / "modules" for library in ("lib", "usr/lib")]
    kernels = [folder / kernel for folder in folders for kernel in listed(folder) or ()]
    lists = [kernel / name for kernel in kernels for name in ("modules.dep", "modules.builtin")]
    names = {
        os.path.basename(line.partition(b":")[0]).partition(b".ko")[0].replace(b"-", b"_").decode("utf-8", "replace")
        for place in lists
        for line in content(place, _LARGEST_LIST).splitlines()
    }
    return frozenset(names) if names else None


def _libraries(root: Path, below: str) -> frozenset[str]:
    """Return the names in the library folders of all architectures, or in their subfolder ``below``."""
    tops = [root / name for name in _LIBRARIES]
    folders = [*tops, *(top / name for top in tops for name in listed(top) or () if name.endswith(("-gnu", "-musl")))]
    return frozenset(name for folder in folders for name in listed(folder / below) or ())
