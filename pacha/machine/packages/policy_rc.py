"""Keep services from starting while packages are installed, by a program /usr/sbin/policy-rc.d (invoke-rc.d(8)).

The program forbids it only while the lock of the installation is held, by Pacha or by an apt-get that outlived it. So
one that a killed rebuild left has no effect, and the next rebuild removes it. A policy-rc.d that exists already is
renamed for that time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.system.atomic import replace_file

_PLACE = "usr/sbin/policy-rc.d"
_KEPT = "usr/sbin/policy-rc.d.pacha-kept"
_BODY = "[ -e '{lock}' ] || exit 0\nflock --nonblock '{lock}' true && exit 0\nexit 101\n"
_HEAD = b"#!/bin/sh\n# Made by 'pacha rebuild --packages'; of no effect when that is over.\n"


@contextmanager
def blocked_services(lock: Path, root: Path = Path("/")) -> Iterator[None]:
    """Let no service start in the body, as long as ``lock`` is held (flock(2)). Raises OSError."""
    sweep(root)
    place, kept = root / _PLACE, root / _KEPT
    try:
        if os.path.lexists(place):
            os.rename(place, kept)
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_file(place, _HEAD + _BODY.format(lock=lock).encode(), mode=0o755)
        yield
    finally:
        sweep(root)


def sweep(root: Path = Path("/")) -> None:
    """Remove Pacha's policy-rc.d, and put back the one from before. Raises OSError."""
    place, kept = root / _PLACE, root / _KEPT
    if _is_own(place):
        place.unlink()
    if os.path.lexists(kept) and not os.path.lexists(place):
        os.rename(kept, place)


def _is_own(place: Path) -> bool:
    try:
        with open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            return stream.read(len(_HEAD)) == _HEAD
    except OSError:
        return False
