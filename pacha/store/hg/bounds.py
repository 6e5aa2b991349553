"""Bounds on hostile input: how far a chunk may expand, and how large a revision in a conversation may be.

A history has few large revisions: content is kept in files of up to 16 MiB and parts of 4. A pacha.db of a million
files has 110 MiB and packs to a third, or a fifteenth if they are all alike; their manifest packs to an eightieth then.
Less than 64 MiB is never refused; more must be packed in a proportional number of bytes.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Iterator
from typing import Any

from mercurial import bundle2, changegroup, error, revlog
from mercurial.utils import compression

from pacha.library import require
from pacha.store.revision import MOST

LIBRARY = "Mercurial"
_PACKED = 250  #: how many times its packed size a larger revision may have
_SAFE = MOST >> 15  #: bytes that cannot expand beyond MOST: zstd and zlib make at most 2^15 of one
_CHUNK = 1 << 20


class TooLargeError(error.Abort):  # type: ignore[misc]
    """More came at once than is accepted."""


def most(packed: int) -> int:
    """The bytes to which ``packed`` bytes may expand."""
    return max(MOST, _PACKED * packed)


def bound_expansion() -> None:
    """From now on, Mercurial raises its StorageError in this process for a chunk that expands beyond ``most``."""
    engine = compression.compengines[b"zstd"]
    make, zstd = require(LIBRARY, engine, "revlogcompressor", "opts"), require(LIBRARY, engine, "_module")
    made = dict[object, Any]()
    require(LIBRARY, zstd, "frame_content_size")

    # One compressor for all file logs: each would create its own, whose buffers take longer than the file. It keeps no
    # state between texts, and only one thread at a time uses Mercurial.
    def shared(opts: dict[bytes, Any] | None = None) -> Any:
        key = frozenset((opts or {}).items())
        if key not in made:
            made[key] = _Bounded(make(opts), zstd)
        return made[key]

    engine.revlogcompressor = shared
    require(LIBRARY, revlog, "_zlibdecompress")
    revlog._zlibdecompress = _inflate


class _Bounded:
    """A compressor of Mercurial that refuses a chunk whose text would be too large."""

    def __init__(self, compressor: Any, zstd: Any) -> None:
        unpacker = zstd.ZstdDecompressor()
        self._size, self._at_once = zstd.frame_content_size, require(LIBRARY, unpacker, "decompress")
        self._open = require(LIBRARY, unpacker, "stream_reader")
        self.compress = compressor.compress

    def decompress(self, data: bytes) -> bytes:
        """The text of a chunk; in one piece where its head has the size, as zstd does not exceed that."""
        try:
            size = self._size(data)
            if size > most(len(data)):
                raise _expands(len(data), most(len(data)))
            if size >= 0:
                return bytes(self._at_once(data))
            with self._open(data) as reader:
                pieces = iter(lambda: reader.read(_CHUNK), b"")
                return _joined(pieces, len(data))
        except error.StorageError:
            raise
        except Exception as failure:  # zstd's own error, of a module of several names
            raise error.StorageError(b"revlog decompress error: %s" % str(failure).encode()) from None


def _inflate(data: bytes) -> bytes:
    if len(data) < _SAFE:
        return zlib.decompress(data)
    stream, limit = zlib.decompressobj(), most(len(data))
    text = stream.decompress(data, limit + 1)
    if len(text) > limit:
        raise _expands(len(data), limit)
    return text + stream.flush()


def _joined(pieces: Iterator[bytes], packed: int) -> bytes:
    limit, found = most(packed), io.BytesIO()  # its value needs no copy
    for piece in pieces:
        found.write(piece)
        if found.tell() > limit:
            raise _expands(packed, limit)
    return found.getvalue()


def _expands(packed: int, limit: int) -> error.StorageError:
    return error.StorageError(b"%d bytes expand to more than %d MiB, the limit" % (packed, limit >> 20))


@contextlib.contextmanager
def bound_conversation(limit: int) -> Iterator[None]:
    """In the body, refuse a bundle with a revision of more than ``limit`` bytes, and a compressed bundle."""
    unpacker = changegroup.cg1unpacker
    plain, known = require(LIBRARY, unpacker, "_chunklength", "self"), dict(bundle2.b2streamparamsmap)

    def chunk_length(self: Any) -> int:
        return checked(int(plain(self)), limit)

    unpacker._chunklength = chunk_length
    bundle2.b2streamparamsmap.pop(b"compression", None)
    try:
        yield
    finally:
        unpacker._chunklength = plain
        bundle2.b2streamparamsmap.update(known)


def checked(size: int, limit: int) -> int:
    """``size``, if it is no more than ``limit``. Raises TooLargeError."""
    if size > limit:
        raise TooLargeError(b"a revision of %d MiB, and the limit is %d MiB" % (size >> 20, limit >> 20))
    return size
