"""The files of a package manager that are recorded with the packages: found, read and compared, all within bounds."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from pacha.machine.packages.package_list import SourceFile

_MOST_BYTES = 4 << 20  #: of one file; more is none of a package manager
_MOST_FILES = 1000  #: in one folder
#: What a source of apt says of its keys (sources.list(5)): on a line, or on those that begin with a blank after it.
SIGNED_BY = re.compile(r"signed-by\s*[:=]\s*([^\]\n]*(?:\n[ \t]+/[^\n]*)*)", re.IGNORECASE)


def listed(root: Path, folder: str, pattern: re.Pattern[str]) -> list[str]:
    """The paths, as seen below ``root``, of what in ``folder`` has a name that matches ``pattern``, sorted."""
    try:
        names = [name for name in os.listdir(root / folder.lstrip("/")) if pattern.fullmatch(name)]
    except OSError:
        return []
    return [f"{folder}/{name}" for name in sorted(names)[:_MOST_FILES]]


def read(root: Path, paths: Iterable[str]) -> tuple[SourceFile, ...]:
    """The regular files among ``paths``, sorted; without those that cannot be read, or are larger than any such."""
    contents = {path: content for path in paths if (content := content_of(root, path)) is not None}
    return tuple(SourceFile(path=path, content=content) for path, content in sorted(contents.items()))


def content_of(root: Path, path: str) -> bytes | None:
    """The bytes of the regular file ``path`` below ``root``; None for another kind, and for what cannot be read."""
    try:
        fd = os.open(root / path.lstrip("/"), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(fd, "rb") as stream:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                return None
            return stream.read(_MOST_BYTES)
    except (OSError, ValueError):
        return None


def stamp(root: Path, paths: Iterable[str]) -> str:
    """A digest of ``paths`` with the time and size of each: another one after any change of them."""
    lines = "\n".join(f"{path} {_moment(root, path)}" for path in paths)
    return hashlib.sha256(lines.encode("utf-8", "replace")).hexdigest()


def _moment(root: Path, path: str) -> str:
    try:
        status = os.stat(root / path.lstrip("/"))
    except (OSError, ValueError):
        return "-"
    return f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
