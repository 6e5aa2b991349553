"""Give debconf(7) the answers that a host had, for packages that are not installed yet."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.system.atomic import replace_file

PLACE = "/var/cache/debconf/config.dat"
_NAME = b"Name: "


def merge(recorded: bytes, place: Path) -> int:
    """Add to the database at ``place`` the ``recorded`` questions that it does not have. Return how many were added.

    Both are stanzas separated by empty lines, as Debconf::DbDriver::File writes them. Raises OSError.
    """
    existing = place.read_bytes() if place.exists() else b""
    known = {_name(stanza) for stanza in _stanzas(existing)}
    added = [stanza for stanza in _stanzas(recorded) if _name(stanza) and _name(stanza) not in known]
    if added:
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = os.stat(place).st_mode & 0o777 if place.exists() else 0o644
        joined = b"\n\n".join([*_stanzas(existing), *added]) + b"\n\n"
        replace_file(place, joined, mode=mode)
    return len(added)


def _stanzas(text: bytes) -> list[bytes]:
    return [stanza.strip(b"\n") for stanza in text.split(b"\n\n") if stanza.strip()]


def _name(stanza: bytes) -> bytes:
    line = stanza.split(b"\n", 1)[0]
    return line[len(_NAME) :].strip() if line.startswith(_NAME) else b""
