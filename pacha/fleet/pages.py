"""The folder that static pages are written into: 0700, each page replaced by rename."""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import PachaError
from pacha.system.atomic import replace_file
from pacha.text import escape

_LEFT_OVER = re.compile(r"\.[\w.-]+\.html\.[0-9a-f]{8}")
_LONG_AGO = 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages in ``folder``."""

    folder: Path
    mode: int = 0o600

    @classmethod
    def of(cls, folder: Path) -> Pages:
        """The folder, made where it is missing, 0700. Raises PachaError.

        One that exists keeps its mode: whoever opened it to a web server meant to. Refused are a link, and a folder in
        which others may write.
        """
        try:
            if not os.path.lexists(folder):
                folder.mkdir(mode=0o700)
            mode = folder.lstat().st_mode
            if not stat.S_ISDIR(mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            if mode & 0o022:
                raise PermissionError(errno.EPERM, "others may write there")
        except OSError as error:
            raise cls._unusable(folder, error) from None
        _remove_leftovers(folder)
        return cls(folder, mode & 0o666 & ~0o022)

    def write(self, name: str, page: bytes) -> None:
        """Replace the page ``name``, which whoever may read the folder may read. Raises PachaError."""
        path = self.folder / name
        try:
            replace_file(path, page, mode=self.mode)
        except OSError as error:
            raise self._unusable(path, error) from None

    def remove(self, name: str) -> None:
        """Remove a page that is there. Raises PachaError."""
        try:
            (self.folder / name).unlink()
        except OSError as error:
            raise self._unusable(self.folder / name, error) from None

    def names(self) -> list[str]:
        """What is in the folder."""
        return os.listdir(self.folder)

    @staticmethod
    def _unusable(path: Path, error: OSError) -> PachaError:
        return PachaError(
            f"{escape(path)} cannot be written.",
            error.strerror or str(error),
            "Name a folder in which nobody else may write, whose parent is there.",
            code="page-not-written",
        )


def _remove_leftovers(folder: Path) -> None:
    """Remove what runs left that were killed a while ago."""
    for name in filter(_LEFT_OVER.fullmatch, os.listdir(folder)):
        with suppress(OSError):
            if (folder / name).lstat().st_mtime < time.time() - _LONG_AGO:
                (folder / name).unlink()
