"""Read and write file logs with one revision, which most are, in one go, without Mercurial's objects.

The format is that of Mercurial's help topic internals.revlogs, version 1: an entry of 64 bytes, whose first four are
the log's header, followed by the revision's bytes. Mercurial itself handles everything else.
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
_HEADER = 0x0003_0001  #: version 1 with the bytes inline and general deltas
_HEADERS = frozenset({0x0001_0001, _HEADER})
_MOST = _ENTRY.size + (256 << 10)  #: bytes; Mercurial keeps more than 128 KiB in a file of their own
_FIRST = (0, 0, 0, -1, -1)  #: offset 0, no flags, its own delta base, no parents
_NONE = bytes(20)  #: the null node
_LEAST = 50  #: bytes; a smaller revision is not compressed (mercurial/utils/compression.py, zstdrevlogcompressor)
_INLINE = 128 << 10  #: bytes; a larger revision lies in a file of its own (mercurial/revlog.py, _maxinline)
_META = b"\1\n"  #: starts a text with metadata before the content (mercurial/utils/storageutil.py)


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
        self._unpack = _zstd().decompress

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
        if len(data) < _ENTRY.size:
            return None
        header, offset, flags, packed, size, base, link, p1, p2, node = _ENTRY.unpack_from(data)
        chunk = data[_ENTRY.size :]
        if header not in _HEADERS or packed != len(chunk) or (offset, flags, base, p1, p2) != _FIRST:
            return None
        text = self._unpacked(chunk)
        if text is None or len(text) != size or text.startswith(_META) or hashed(text) != node:
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


class FirstRevisionWriter:
    """Replaces Mercurial's object for the log ``name``, which does not exist yet, in a repository of Pacha's format.

    It has only what the first commit needs; ``make`` returns Mercurial's object.
    """

    def __init__(self, repo: Any, name: bytes, make: Callable[[], Any]) -> None:
        self._repo, self._name, self._make = repo, name, make

    def add(self, text: bytes, meta: Any, transaction: Any, link: int, p1: bytes, p2: bytes) -> bytes:
        """Write the first revision, for the changelog's revision ``link``, and return its node (20 bytes)."""
        # A chunk is at most a byte longer than its text. A large text is not compressed twice to find its length.
        if meta or text.startswith(_META) or (p1, p2) != (_NONE, _NONE) or len(text) + 1 >= _INLINE:
            return bytes(self._make().add(text, meta, transaction, link, p1, p2))
        chunk, node, path = _packed(text), hashed(text), _index(self._name)
        entry = _ENTRY.pack(_HEADER, 0, 0, len(chunk), len(text), 0, link, -1, -1, node)
        transaction.add(path, 0)  # removes it when the commit fails
        self._repo.svfs.register_file(path)  # in the fncache
        with self._repo.svfs(path, b"w") as stream:
            stream.write(entry + chunk)
        return node


def _index(name: bytes) -> bytes:
    """The path of the log of the stored ``name``, before the store encodes it."""
    return b"data/" + name + b".i"


def _packed(text: bytes) -> bytes:
    """The chunk of a revision's bytes, as Mercurial would write it."""
    packed = _zstd().compress(text) if len(text) >= _LEAST else None
    if packed:
        return bytes(packed)
    return text if text[:1] in (b"", b"\0") else b"u" + text


def _zstd() -> Any:
    return compression.compengines[b"zstd"].revlogcompressor(None)


def hashed(text: bytes, p1: bytes = _NONE, p2: bytes = _NONE) -> bytes:
    """The node of a revision (mercurial/utils/storageutil.py, hashrevisionsha1), four times as fast as Mercurial's.

    Mercurial's SHA-1 also detects collisions; here, content is compared with the snapshot's SHA-256.
    """
    digest = hashlib.sha1(min(p1, p2) + max(p1, p2), usedforsecurity=False)
    digest.update(text)
    return digest.digest()
