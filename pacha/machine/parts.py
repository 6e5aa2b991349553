"""What other files refer to: kernel modules, PCI cards, sensors, plugged-in devices, PAM modules, name services."""

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
    """Yield the kernel modules to load, one per line (modules-load.d(5))."""
    for line in lines(text):
        name = line.split()[0]
        if _MODULE.fullmatch(name) and not line.startswith(";"):
            yield Reference(Named.MODULE, name)


def modprobe(path: str, text: str) -> Iterator[Reference]:
    """Yield the cards for virtual machines (``ids=`` of vfio-pci); other options are harmless without their card."""
    for line in lines(text):
        for ids in _IDS.findall(line):
            yield from (Reference(Named.PCI_ID, pair.lower()) for pair in _ID.findall(ids))


def xorg(path: str, text: str) -> Iterator[Reference]:
    """Yield the graphics cards by their place on the bus."""
    for line in lines(text):
        for bus, device, function in _BUS.findall(line):
            yield Reference(Named.PCI, f"0000:{int(bus):02x}:{int(device):02x}.{function}")


def sensors(path: str, text: str) -> Iterator[Reference]:
    """Yield the devices in DEVPATH of fancontrol(8)."""
    for key, value in assignments(text):
        if key == "devpath":
            yield from (Reference(Named.SYSFS, f"/sys/{place}") for place in _CHIPS.findall(value))


def devices(path: str, text: str) -> Iterator[Reference]:
    """Yield serial lines, cameras and other devices that are plugged in, by path."""
    for line in lines(text):
        yield from (Reference(Named.DEVICE, device) for device in _PLUGGED.findall(line))


def paths(path: str, text: str) -> Iterator[Reference]:
    """Yield the paths that must exist, as in ld.so.preload: words that begin with a slash."""
    for line in lines(text):
        yield from (Reference(Named.FILE, word) for word in line.split() if word.startswith("/") and "$" not in word)


def pam(path: str, text: str) -> Iterator[Reference]:
    """Yield the PAM modules without which nobody can log in, not optional ones (``-``, ``optional``: pam.conf(5))."""
    for line in lines(text):
        if not line.startswith("-") and " optional " not in line.replace("\t", " "):
            yield from (Reference(Named.PAM, name) for name in _PAM.findall(line))


def name_services(path: str, text: str) -> Iterator[Reference]:
    """Yield the services in nsswitch.conf(5) that look up accounts."""
    for line in lines(text):
        key, _, value = line.partition(":")
        if key in ("passwd", "group", "shadow"):
            words = re.sub(r"\[[^\]]*\]", " ", value).split()
            yield from (Reference(Named.NSS, word) for word in words if _MODULE.fullmatch(word))
