"""What a configuration file refers to on the machine that it was written for.

The readers are pure functions of a text, in ``addresses``, ``disks``, ``network`` and ``parts``; ``policies`` says
which reads which file. The text may be anything: a reader takes linear time, and skips what it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from pacha.text import masked

MOST_BYTES = 1 << 20  #: of a file; no configuration that a person writes is longer
_MOST = 10_000  #: references in a file
_SHOWN = 80  #: characters of a value that are shown
_COMMENT = re.compile(r"(?:^|(?<=\s))[#].*")


class Named(Enum):
    """The kind of thing that a reference names, with the words for it."""

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
    FILE = "the file {}"  #: of the system itself, or one that is restored together with it
    SYSFS = "the sensor {}"  #: a path below /sys
    PAM = "the PAM module {}"
    NSS = "the name service {}"
    CHIP = "the key of a chip ({})"  #: a TPM or a token, which no other machine has


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that a text names. ``value`` is untrusted (str); ``str()`` is safe to print."""

    about: Named
    value: str

    def __str__(self) -> str:
        return self.about.value.format(masked(self.value, _SHOWN))


Reader = Callable[[str, str], Iterable[Reference]]  #: called with a path and its text


def read(reader: Reader, path: str, content: bytes) -> tuple[Reference, ...]:
    """Return what ``content`` refers to, each thing once. Raises ValueError, which says why, if it cannot be read."""
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
    """Yield the lines of ``text`` without comments (``#``) and surrounding blanks, but no empty ones."""
    for line in text.split("\n"):
        if bare := _COMMENT.sub("", line).strip():
            yield bare


def unquoted(value: str) -> str:
    """Return ``value`` without the blanks and quotes around it."""
    return value.strip().strip("\"'")


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """Yield key (in lower case) and value of each ``KEY=value`` line."""
    for line in lines(text):
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip().lower(), unquoted(value)


def sections(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key (both in lower case) and value of each line in a file of systemd or NetworkManager."""
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
