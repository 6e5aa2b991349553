"""The folder that static pages are written into: 0700, each page replaced by rename.

It is open while it is used, so that nobody puts another one in its place.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import PachaError
from pacha.files.dirfd import DIRECTORY
from pacha.system.atomic import replace_in
from pacha.system.trust import untrusted
from pacha.text import escape

_LEFT_OVER = re.compile(r"\.[\w.-]+\.html\.[0-9a-f]{8}")
_LONG_AGO = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages in ``folder``, which is open as ``fd``; a page gets ``mode``."""

    folder: Path
    fd: int
    mode: int

    def write(self, name: str, page: bytes) -> None:
        """Replace the page ``name``, which whoever may read the folder may read. Raises PachaError."""
        try:
            replace_in(self.fd, name, page, mode=self.mode)
        except OSError as error:
            raise _unusable(self.folder / name, error) from None

    def remove(self, name: str) -> None:
        """Remove a page that is there. Raises PachaError."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except OSError as error:
            raise _unusable(self.folder / name, error) from None

    def names(self) -> list[str]:
        """What is in the folder."""
        return os.listdir(self.fd)


@contextmanager
def opened(folder: Path) -> Iterator[Pages]:
    """The folder, made where it is missing, 0700. Raises PachaError.

    One that exists keeps its mode: whoever opened it to a web server meant to. Refused are a link, and a folder that
    somebody else but root could write to or put another one in the place of.
    """
    try:
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700)
        fd = os.open(folder, DIRECTORY)
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        _check(folder, fd)
        _remove_leftovers(fd)
        yield Pages(folder, fd, os.fstat(fd).st_mode & 0o666 & ~0o022)
    finally:
        os.close(fd)


def _check(folder: Path, fd: int) -> None:
    """Raise PachaError unless the open folder is the one that ``folder`` names, and safe."""
    try:
        weakness = untrusted(folder, {0, os.geteuid()})
        if not os.path.samestat(os.lstat(folder), os.fstat(fd)):
            weakness = folder, "another one was put in its place"
    except OSError as error:
        raise _unusable(folder, error) from None
    if weakness:
        raise _refused(folder, f"{escape(weakness[0])}: {weakness[1]}")


def _remove_leftovers(fd: int) -> None:
    """Remove what runs left that were killed a while ago."""
    for name in filter(_LEFT_OVER.fullmatch, os.listdir(fd)):
        with suppress(OSError):
            status = os.lstat(name, dir_fd=fd)
            if stat.S_ISREG(status.st_mode) and status.st_mtime < time.time() - _LONG_AGO:
                os.unlink(name, dir_fd=fd)


def _unusable(path: Path, error: OSError) -> PachaError:
    return _refused(path, error.strerror or str(error))


def _refused(path: Path, why: str) -> PachaError:
    return PachaError(
        f"{escape(path)} cannot be written.",
        why,
        "Name a folder in which nobody else may write, nor in those above it, and whose parent is there.",
        code="page-not-written",
    )
