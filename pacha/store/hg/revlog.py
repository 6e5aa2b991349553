"""Read file logs with one revision, which most are, in one go, without Mercurial's objects.

The format is that of Mercurial's help topic internals.revlogs, version 1: an entry of 64 bytes, whose first four are
the log's header, followed by the revision's bytes. Mercurial itself handles everything else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mercurial.utils import compression

from pacha.store.revision import ENTRY, INLINE, META, hashed

_HEADERS = frozenset({0x0001_0001, INLINE})
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

    Only in a store whose encoding of names cannot lead out of it (``fncache``; hg help internals.requirements).
    """

    def __init__(self, repo: Any) -> None:
        self._encode: Callable[[bytes], bytes] | None = repo.store.encode if b"fncache" in repo.requirements else None
        self._store = repo.store.rawvfs.join(b"").rstrip(b"/") + b"/"
        self._unpack = compression.compengines[b"zstd"].revlogcompressor(None).decompress

    def get(self, name: bytes) -> OnlyRevision | None:
        """The only revision of the stored ``name``, its hash checked; None where Mercurial has to read the log."""
        if self._encode is None:
            return None
        try:
            fd = os.open(self._store + self._encode(_index(name)), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.read(fd, _MOST)
        except OSError:
            return None
        finally:
            os.close(fd)
        return self._parse(data)

    def _parse(self, data: bytes) -> OnlyRevision | None:
        if len(data) < ENTRY.size:
            return None
        header, offset, flags, packed, size, base, link, p1, p2, node = ENTRY.unpack_from(data)
        chunk = data[ENTRY.size :]
        if header not in _HEADERS or packed != len(chunk) or (offset, flags, base, p1, p2) != _FIRST:
            return None
        text = self._unpacked(chunk)
        if text is None or len(text) != size or text.startswith(META) or hashed(text) != node:
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
        except Exception:
            return None  # Mercurial reports what is wrong with it


def _index(name: bytes) -> bytes:
    """The path of the log of the stored ``name``, before the store encodes it."""
    return b"data/" + name + b".i"
