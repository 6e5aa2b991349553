"""Read what a machine tells in small files and folders, as those of /sys; what cannot be read says nothing."""

from __future__ import annotations

import os
from pathlib import Path

_MOST_BYTES = 1 << 20


def listed(folder: Path) -> list[str] | None:
    """The names in ``folder``; None where it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return None


def content(path: Path, most: int = _MOST_BYTES) -> bytes:
    """The first ``most`` bytes of ``path``, b"" where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(most)
    except OSError:
        return b""


def lines(path: Path) -> tuple[str, ...]:
    """The lines of ``path``, as os.fsdecode() has them."""
    return tuple(content(path).decode("utf-8", "surrogateescape").splitlines())


def first_line(path: Path) -> str:
    """The first line of ``path`` without the blanks around it, "" for none."""
    return next(iter(lines(path)), "").strip()
