"""File logs that hold one revision, as most do: read in one go, without an object of Mercurial's for each.

The format is that of Mercurial's help topic internals.revlogs, version 1: an entry of 64 bytes, the first four of which
are the log's header, and the revision's bytes behind it. What is in any way else is left to Mercurial.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mercurial.utils import compression

_ENTRY = struct.Struct(">IHHiiiiii20s12x")
_HEADERS = frozenset({0x0001_0001, 0x0003_0001})  #: version 1 with the bytes inline, with or without general deltas
_MOST = _ENTRY.size + (256 << 10)  #: bytes; Mercurial keeps more than 128 KiB in a file of their own
_FIRST = (0, 0, 0, -1, -1)  #: at the beginning, nothing out of the ordinary, on itself, without parents
_NO_PARENTS = bytes(40)
_META = b"\1\n"  #: before a text that is not all content (mercurial/utils/storageutil.py)


@dataclass(frozen=True, slots=True)
class Single:
    """The only revision of a log: its raw node, the revision of the changelog it came with, its content."""

    node: bytes
    link: int
    text: bytes


class Singles:
    """The logs of one repository by their stored names, where they hold one revision and it is sound.

    Only of a store that encodes names so that nothing in them leads out of it (``fncache``; hg help
    internals.requirements).
    """

    def __init__(self, repo: Any) -> None:
        self._encode: Callable[[bytes], bytes] | None = repo.store.encode if b"fncache" in repo.requirements else None
        self._store = repo.store.rawvfs.join(b"").rstrip(b"/") + b"/"
        self._unpack = compression.compengines[b"zstd"].revlogcompressor(None).decompress

    def get(self, name: bytes) -> Single | None:
        """The only revision of ``name``, its hash checked; None for whatever Mercurial has to look at itself."""
        if self._encode is None:
            return None
        try:
            fd = os.open(self._store + self._encode(b"data/" + name + b".i"), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.read(fd, _MOST)
        except OSError:
            return None
        finally:
            os.close(fd)
        return self._parse(data)

    def _parse(self, data: bytes) -> Single | None:
        if len(data) < _ENTRY.size:
            return None
        header, offset, flags, packed, size, base, link, p1, p2, node = _ENTRY.unpack_from(data)
        chunk = data[_ENTRY.size :]
        if header not in _HEADERS or packed != len(chunk) or (offset, flags, base, p1, p2) != _FIRST:
            return None
        text = self._unpacked(chunk)
        if text is None or len(text) != size or text.startswith(_META) or _hash(text) != node:
            return None
        return Single(node, link, text)

    def _unpacked(self, chunk: bytes) -> bytes | None:
        """The bytes of a chunk, whose first one says what it is."""
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
            return None  # Mercurial says what is wrong with it


def _hash(text: bytes) -> bytes:
    return hashlib.sha1(_NO_PARENTS + text, usedforsecurity=False).digest()
