"""Read small files and folders, such as those in /sys. What cannot be read counts as empty."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOST_BYTES = 1 << 20


def listed(folder: Path) -> list[str] | None:
    """Return the names in ``folder``; None where it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return None


def content(path: Path, most: int = _MOST_BYTES) -> bytes:
    """Return the first ``most`` bytes of ``path``; b"" where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(most)
    except OSError:
        return b""


def lines(path: Path) -> tuple[str, ...]:
    """Return the lines of ``path``, decoded as os.fsdecode() does."""
    return tuple(content(path).decode("utf-8", "surrogateescape").splitlines())


def first_line(path: Path) -> str:
    """Return the first line of ``path`` without the blanks around it; "" for none."""
    return next(iter(lines(path)), "").strip()


def machine_id(root: Path = Path("/")) -> str:
    """Return the machine-id(5) below ``root``; "" where there is none, or it lasts only until the next boot."""
    path = root / "etc/machine-id"
    text = first_line(path)
    return text if re.fullmatch("[0-9a-f]{32}", text) and not os.path.ismount(path) else ""
