"""What the text of a configuration file refers to on the machine that it was written for.

The extractors are pure functions over a text, in ``disks``, ``network`` and ``parts``; ``policies`` says which of them
reads which file. The text may be anything: a reader takes linear time, and what it does not know it passes over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from pacha.text import masked

MOST_BYTES = 1 << 20  #: of a file; no configuration that a person wrote is longer
_MOST = 10_000  #: references of a file
_SHOWN = 80  #: characters of one that are shown
_COMMENT = re.compile(r"(?:^|(?<=\s))[#].*")


class Named(Enum):
    """What kind of thing a reference names, and how it is written for a person."""

    __hash__ = object.__hash__

    UUID = "UUID={}"
    PARTUUID = "PARTUUID={}"
    LABEL = "LABEL={}"
    PARTLABEL = "PARTLABEL={}"
    DEVICE = "the device {}"  #: a path below /dev; ``*`` at its end stands for anything
    DISK_ID = "the disk {}"  #: a part of a name in /dev/disk/by-id: a serial number, a WWID
    FILE_SYSTEM = "a file system of the type {}"
    ARRAY = "the RAID array {}"
    INTERFACE = "the network card {}"  #: names or patterns, one of which has to match
    ADDRESS = "the address {}"
    MAC = "the MAC address {}"
    PCI = "the PCI device {}"  #: an address, as 0000:03:00.0
    PCI_ID = "a PCI card {}"  #: vendor and device, as 10de:1b80
    MODULE = "the kernel module {}"
    FILE = "the file {}"  #: of the system itself, or one that is put back with it
    SYSFS = "the sensor {}"  #: a path below /sys
    PAM = "the PAM module {}"
    NSS = "the name service {}"
    CHIP = "the key of a chip ({})"  #: a TPM or a token, which no other machine has


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a text names. ``value`` is hostile str; ``str()`` is safe to print."""

    about: Named
    value: str

    def __str__(self) -> str:
        return self.about.value.format(masked(self.value, _SHOWN))


Reader = Callable[[str, str], Iterable[Reference]]  #: of a path and a text


def read(reader: Reader, path: str, content: bytes) -> tuple[Reference, ...]:
    """What ``content`` refers to, each thing once. Raises ValueError, which says why, if it cannot be read."""
    if len(content) > MOST_BYTES:
        raise ValueError("it is too long to be looked through")
    if b"\0" in content:
        raise ValueError("it is no text")
    references: dict[Reference, None] = {}
    for reference in reader(path, content.decode("utf-8", "surrogateescape").replace("\\\n", " ")):
        references[reference] = None
        if len(references) > _MOST:
            raise ValueError("it names too much to be looked up")
    return tuple(references)


def lines(text: str) -> Iterator[str]:
    """The lines of ``text`` that say something, without their comments (``#``)."""
    for line in text.split("\n"):
        if bare := _COMMENT.sub("", line).strip():
            yield bare


def unquoted(value: str) -> str:
    """``value`` without quotes around it."""
    return value.strip().strip("\"'")


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """The pairs of a file of ``KEY=value`` lines; keys in lower case."""
    for line in lines(text):
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip().lower(), unquoted(value)


def sections(text: str) -> Iterator[tuple[str, str, str]]:
    """Section, key (both in lower case) and value of each line of an ini file, as systemd and NetworkManager have."""
    section = ""
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith(("#", ";")):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip().lower()
        elif "=" in line:
            key, _, value = line.partition("=")
            yield section, key.strip().lower(), unquoted(value)
