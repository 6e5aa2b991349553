"""Read file logs that have one revision, like most, with one read and without Mercurial's objects.

The format is that of Mercurial's help topic internals.revlogs, version 1: an entry of 64 bytes, whose first four are
the log's header, followed by the revision's bytes. Mercurial itself handles everything else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mercurial import store as stores
from mercurial.utils import compression

from pacha.library import require
from pacha.store import repository_dir
from pacha.store.hg.runtime import quiet_ui
from pacha.store.revision import ENTRY, INLINE, META, hashed

_HEADERS = frozenset({0x0001_0001, INLINE})
_encode = require("Mercurial", stores, "_pathencode")  #: of a name below a store of Pacha's format
_MOST = ENTRY.size + (256 << 10)  #: bytes; Mercurial keeps more than 128 KiB in a file of their own
_FIRST = (0, 0, 0, -1, -1)  #: offset 0, no flags, its own delta base, no parents


@dataclass(frozen=True, slots=True)
class OnlyRevision:
    """The only revision of a log: its raw node, its revision number in the changelog, its content."""

    node: bytes
    link: int
    text: bytes


class OneRevisionReader:
    """Reads the logs of one repository that hold one intact revision.

    It reads only from a store whose encoded names stay in it (``fncache``; hg help internals.requirements).
    """

    def __init__(self, store: bytes, encode: Callable[[bytes], bytes] | None) -> None:
        self._store, self._encode = store.rstrip(b"/") + b"/", encode
        self.damaged = False  #: whether a chunk was damaged
        self._unpack = compression.compengines[b"zstd"].revlogcompressor(None).decompress

    @classmethod
    def of(cls, repo: Any) -> OneRevisionReader:
        """The reader of the open repository ``repo``."""
        return cls(repo.store.rawvfs.join(b""), repo.store.encode if b"fncache" in repo.requirements else None)

    @classmethod
    def of_plain(cls, path: str) -> OneRevisionReader:
        """The reader of the repository at ``path``, which has Pacha's format and need not be complete."""
        quiet_ui()  # where no repository was opened yet, nothing bounds what a chunk expands to
        return cls(os.path.join(os.fsencode(path), os.fsencode(repository_dir.STORE)), _encode)

    def log(self, name: bytes) -> bytes:
        """The path of the log of the stored ``name`` below the store, whose encoding is known."""
        assert self._encode is not None
        return self._encode(b"data/" + name + b".i")

    def get(self, name: bytes) -> OnlyRevision | None:
        """The only revision of the stored ``name``, its hash checked; None where Mercurial has to read the log."""
        return None if self._encode is None else self.at(self.log(name))

    def at(self, log: bytes) -> OnlyRevision | None:
        """The only revision of the ``log`` at that path below the store; None as in ``get``."""
        try:
            fd = os.open(self._store + log, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.read(fd, _MOST + 1)
        except OSError:
            return None
        finally:
            os.close(fd)
        return self._parse(data)

    def _parse(self, data: bytes) -> OnlyRevision | None:
        if not ENTRY.size <= len(data) <= _MOST:
            return None
        header, offset, flags, packed, size, base, link, p1, p2, node = ENTRY.unpack_from(data)
        chunk = data[ENTRY.size :]
        if header not in _HEADERS or packed != len(chunk) or (offset, flags, base, p1, p2) != _FIRST:
            return None
        text = self._unpacked(chunk)
        if text is None or len(text) != size or text.startswith(META) or hashed(text) != node:
            self.damaged = self.damaged or (text is not None and len(text) != size)
            return None
        return OnlyRevision(node, link, text)

    def _unpacked(self, chunk: bytes) -> bytes | None:
        """The bytes of a chunk, whose first byte is its type."""
        match chunk[:1]:
            case b"" | b"\0":
                return chunk
            case b"u":
                return chunk[1:]
            case b"\x28":
                return self._zstd(chunk)
        return None

    def _zstd(self, chunk: bytes) -> bytes | None:
        try:
            return bytes(self._unpack(chunk))
        except Exception:  # Mercurial reports what is wrong with it
            self.damaged = True
            return None
