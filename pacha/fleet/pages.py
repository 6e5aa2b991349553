"""The folder for static pages: 0700 when new, each page replaced by rename.

It is kept open while it is used, so that nobody can put another one in its place.
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
    """The pages in ``folder``, which is open as ``fd``; new pages get ``mode``."""

    folder: Path
    fd: int
    mode: int

    def write(self, name: str, page: bytes) -> None:
        """Replace the page ``name``, which everybody may read who may read the folder. Raises PachaError."""
        try:
            replace_in(self.fd, name, page, mode=self.mode)
        except OSError as error:
            raise _unusable(self.folder / name, error) from None

    def remove(self, name: str) -> None:
        """Remove a page, which must exist. Raises PachaError."""
        try:
            os.unlink(name, dir_fd=self.fd)
        except OSError as error:
            raise _unusable(self.folder / name, error) from None

    def names(self) -> list[str]:
        """Return the names in the folder."""
        return os.listdir(self.fd)


@contextmanager
def opened(folder: Path) -> Iterator[Pages]:
    """Open the folder; make it, with mode 0700, where it is missing. Raises PachaError.

    An existing folder keeps its mode, as somebody may have opened it to a web server. A link is refused, and so is a
    folder that anybody but this user and root could write to or replace.
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
    """Raise PachaError unless the open folder is the one at ``folder``, and nobody else can change or replace it."""
    try:
        weakness = untrusted(folder, {0, os.geteuid()})
        if not os.path.samestat(os.lstat(folder), os.fstat(fd)):
            weakness = folder, "another one was put in its place"
    except OSError as error:
        raise _unusable(folder, error) from None
    if weakness:
        raise _refused(folder, f"{escape(weakness[0])}: {weakness[1]}")


def _remove_leftovers(fd: int) -> None:
    """Remove what runs left that were killed more than an hour ago."""
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
