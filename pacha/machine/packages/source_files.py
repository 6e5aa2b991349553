"""Find, read and compare the files of a package manager that are recorded with the packages, all within limits."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from pacha.machine.packages.package_list import SourceFile

_MOST_BYTES = 4 << 20  #: of one file; no file of a package manager is larger
_MOST_FILES = 1000  #: in one folder
#: The keys of a source of apt (sources.list(5)): on one line, or also on the lines after it that begin with a blank.
SIGNED_BY = re.compile(r"signed-by\s*[:=]\s*([^\]\n]*(?:\n[ \t]+/[^\n]*)*)", re.IGNORECASE)


def listed(root: Path, folder: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the paths, as seen below ``root``, of the entries in ``folder`` whose name matches ``pattern``, sorted."""
    try:
        names = [name for name in os.listdir(root / folder.lstrip("/")) if pattern.fullmatch(name)]
    except OSError:
        return []
    return [f"{folder}/{name}" for name in sorted(names)[:_MOST_FILES]]


def read(root: Path, paths: Iterable[str]) -> tuple[SourceFile, ...]:
    """Return the regular files among ``paths``, sorted, without those that cannot be read or are too large."""
    contents = {path: content for path in paths if (content := content_of(root, path)) is not None}
    return tuple(SourceFile(path=path, content=content) for path, content in sorted(contents.items()))


def content_of(root: Path, path: str) -> bytes | None:
    """Return the bytes of the regular file ``path`` below ``root``; None if it is none, too large or unreadable."""
    try:
        fd = os.open(root / path.lstrip("/"), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb") as stream:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                return None
            return stream.read(_MOST_BYTES)
    except (OSError, ValueError):
        return None


def text_of(root: Path, path: str) -> str:
    """What ``content_of`` returns, as text; "" for None."""
    return (content_of(root, path) or b"").decode("utf-8", "replace")


def stamp(root: Path, paths: Iterable[str]) -> str:
    """Return a digest of ``paths`` and the time, size and inode of each: it changes with any of these files."""
    lines = "\n".join(f"{path} {_moment(root, path)}" for path in paths)
    return hashlib.sha256(lines.encode("utf-8", "replace")).hexdigest()


def _moment(root: Path, path: str) -> str:
    try:
        status = os.stat(root / path.lstrip("/"))
    except (OSError, ValueError):
        return "-"
    return f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
