"""The texts beside pacha.db in ``db``: what a host is besides its files. ``hg log -p`` shows how they changed.

pacha.db has the SHA-256 of each in its ``meta``. A snapshot of an earlier Pacha has none: a text that a later one left
in ``db`` does not belong to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from pacha.errors import DamagedError, PurgedError

MACHINE = "machine"  #: ``machine.facts``
PACKAGES = "packages"  #: ``machine.packages.package_list``
SEAL_KEYS = "seal-keys"  #: ``sealing.keys``
NAMES = (MACHINE, PACKAGES, SEAL_KEYS)


def meta(texts: Mapping[str, bytes]) -> dict[str, str]:
    """The part of ``meta`` of pacha.db for the companions ``texts`` (by name)."""
    return {key(name): hashlib.sha256(text).hexdigest() for name, text in texts.items()}


def read(name: str, recorded: Mapping[str, str], reader: Callable[[bytes], bytes]) -> bytes | None:
    """The text ``name`` of the snapshot with the meta ``recorded``; None where it has none.

    ``reader`` gives the bytes of a file in ``db``. Raises DamagedError.
    """
    expected = recorded.get(key(name))
    if expected is None:
        return None
    try:
        text = reader(name.encode("ascii"))
    except PurgedError:  # nothing is purged of db
        text = b""
    if hashlib.sha256(text).hexdigest() != expected:
        raise DamagedError(
            f"The text '{name}' of the snapshot is not as it was pushed.",
            "its SHA-256 is another than pacha.db names",
            "Choose another snapshot with --at.",
            code="companion-damaged",
        )
    return text


def key(name: str) -> str:
    """The key of ``meta`` with the SHA-256 of the text ``name``."""
    return f"{name}_sha256"
