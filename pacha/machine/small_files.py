"""Read small files and folders, such as those of /sys; what cannot be read counts as empty."""

from __future__ import annotations

import os
import re
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


def machine_id(root: Path = Path("/")) -> str:
    """The machine-id(5) below ``root``; "" where there is none, or one that lasts until the next boot only."""
    path = root / "etc/machine-id"
    text = first_line(path)
    return text if re.fullmatch("[0-9a-f]{32}", text) and not os.path.ismount(path) else ""
