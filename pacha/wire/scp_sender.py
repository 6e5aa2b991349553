"""The sending side of scp, for a receiver whose answers nobody reads: the records that ``scp`` describes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from pacha.errors import DamagedError
from pacha.files.dirfd import DIRECTORY
from pacha.text import escape
from pacha.wire.local_store import DEPTH, not_plain, open_plain

_PIECE = 256 * 1024


def send(pipe: BinaryIO, folder: int, name: bytes, accept: Callable[[bytes, bool], bool]) -> None:
    """Send the ``folder`` (a descriptor) as the directory ``name``, and what ``accept`` takes of it (see ``scp``).

    Follows no link. Raises DamagedError for what is neither a file nor a folder, or became shorter meanwhile, OSError.
    """
    _Source(pipe, accept).send(folder, name, b"")


@dataclass(frozen=True, slots=True)
class _Source:
    pipe: BinaryIO
    accept: Callable[[bytes, bool], bool]

    def send(self, folder: int, name: bytes, path: bytes) -> None:
        """Send the open ``folder``, which lies at ``path`` below the first one (b"": it is the first one)."""
        self.pipe.write(b"D0700 0 %b\n" % name)
        with os.scandir(folder) as listing:
            items = [(os.fsencode(item.name), item.is_dir(follow_symlinks=False)) for item in listing]
        for inside, is_folder in items:
            below = path + b"/" + inside if path else inside
            if self.accept(below, is_folder):
                (self._folder if is_folder else self._file)(folder, inside, below)
        self.pipe.write(b"E\n")

    def _folder(self, above: int, name: bytes, path: bytes) -> None:
        if path.count(b"/") > DEPTH:
            raise not_plain(path[:200], "its folders lie too deep in each other")
        fd = os.open(name, DIRECTORY, dir_fd=above)
        try:
            self.send(fd, name, path)
        finally:
            os.close(fd)

    def _file(self, above: int, name: bytes, path: bytes) -> None:
        fd = open_plain(name, path, above)
        try:
            rest = os.fstat(fd).st_size  # what is appended meanwhile is left out
            self.pipe.write(b"C0600 %d %b\n" % (rest, name))
            while rest:
                piece = os.read(fd, min(rest, _PIECE))
                if not piece:
                    raise DamagedError(
                        f"{escape(path)} became shorter while it was read.",
                        "something changed it at that moment",
                        "Run this again.",
                        subject=escape(path),
                        code="file-became-shorter",
                    )
                self.pipe.write(piece)
                rest -= len(piece)
            self.pipe.write(b"\0")
        finally:
            os.close(fd)
