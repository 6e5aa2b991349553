"""What other files refer to: kernel modules, PCI cards, sensors, disks of daemons, PAM modules, name services."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pacha.machine.references import Named, Reference, assignments, lines

_IDS = re.compile(r"\bids=([0-9a-fA-F:,]{9,1000})")
_ID = re.compile(r"[0-9a-fA-F]{4}:[0-9a-fA-F]{4}")
_PAM = re.compile(r"(?:^|\s|/)(pam_[\w.-]{1,100}\.so)\b")
_MODULE = re.compile(r"[\w-]{1,100}")
_BUS = re.compile(r"\bBusID\s+\"PCI:(\d{1,3}):(\d{1,2}):(\d)\"", re.IGNORECASE)
_PLUGGED = re.compile(
    r"(?<![\w/.-])/dev/(?:serial/by-[a-z]{2,4}/[\w.:+-]{1,200}|(?:ttyUSB|ttyACM|video|hidraw)\d{1,3})\b"
)
_CHIPS = re.compile(r"=(devices/[\w./:-]{1,200})")


def modules(path: str, text: str) -> Iterator[Reference]:
    """Kernel modules to load, one a line (modules-load.d(5))."""
    for line in lines(text):
        name = line.split()[0]
        if _MODULE.fullmatch(name) and not line.startswith(";"):
            yield Reference(Named.MODULE, name)


def modprobe(path: str, text: str) -> Iterator[Reference]:
    """The cards that are given to virtual machines (``ids=`` of vfio-pci); other options do no harm without theirs."""
    for line in lines(text):
        for ids in _IDS.findall(line):
            yield from (Reference(Named.PCI_ID, one.lower()) for one in _ID.findall(ids))


def xorg(path: str, text: str) -> Iterator[Reference]:
    """Graphics cards by their place on the bus."""
    for line in lines(text):
        for bus, device, function in _BUS.findall(line):
            yield Reference(Named.PCI, f"0000:{int(bus):02x}:{int(device):02x}.{function}")


def sensors(path: str, text: str) -> Iterator[Reference]:
    """The devices in DEVPATH of fancontrol(8)."""
    for key, value in assignments(text):
        if key == "devpath":
            yield from (Reference(Named.SYSFS, f"/sys/{place}") for place in _CHIPS.findall(value))


def devices(path: str, text: str) -> Iterator[Reference]:
    """Serial lines, cameras and what else is plugged in, by the path of the device."""
    for line in lines(text):
        yield from (Reference(Named.DEVICE, device) for device in _PLUGGED.findall(line))


def paths(path: str, text: str) -> Iterator[Reference]:
    """Paths that have to be there, as in ld.so.preload: words that begin with a slash."""
    for line in lines(text):
        yield from (Reference(Named.FILE, word) for word in line.split() if word.startswith("/") and "$" not in word)


def pam(path: str, text: str) -> Iterator[Reference]:
    """PAM modules without which nobody logs in: not those that may be absent (``-``, ``optional``: pam.conf(5))."""
    for line in lines(text):
        if not line.startswith("-") and " optional " not in line.replace("\t", " "):
            yield from (Reference(Named.PAM, name) for name in _PAM.findall(line))


def name_services(path: str, text: str) -> Iterator[Reference]:
    """The services of nsswitch.conf(5) by which accounts are found."""
    for line in lines(text):
        key, _, value = line.partition(":")
        if key in ("passwd", "group", "shadow"):
            words = re.sub(r"\[[^\]]*\]", " ", value).split()
            yield from (Reference(Named.NSS, word) for word in words if _MODULE.fullmatch(word))
