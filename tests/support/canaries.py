"""Secrets that are to be found, or not: a search through everything that is kept, packed or not."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from mercurial import zstd

#: How a packed text begins: of zstd, and of zlib at its usual levels.
_PACKED = re.compile(rb"\x28\xb5\x2f\xfd|\x78[\x01\x5e\x9c\xda]")


def found(canaries: Collection[bytes], *places: Path) -> dict[bytes, set[str]]:
    """The files below ``places`` in which each of ``canaries`` stands; none for those that stand nowhere.

    Every text that is packed anywhere in a file is unpacked: the chunks of Mercurial's logs and bundles. The pages of
    an SQLite file, free ones as well, are plain bytes.
    """
    where: dict[bytes, set[str]] = {}
    for path in _files(places):
        for text in _texts(path.read_bytes()):
            for canary in canaries:
                if canary in text:
                    where.setdefault(canary, set()).add(str(path))
    return where


def _files(places: Collection[Path]) -> Iterator[Path]:
    for place in places:
        for folder, _, names in os.walk(place):
            yield from (path for name in names if (path := Path(folder, name)).is_file() and not path.is_symlink())


def _texts(data: bytes) -> Iterator[bytes]:
    yield data
    for match in _PACKED.finditer(data):
        text = _unpacked(memoryview(data)[match.start() :])
        if text:
            yield text


def _unpacked(data: memoryview) -> bytes:
    try:
        if data[0] == 0x28:
            return bytes(zstd.ZstdDecompressor().decompressobj().decompress(data))
        return zlib.decompressobj().decompress(data, 64 << 20)
    except (zstd.ZstdError, zlib.error):
        return b""
