"""Write the files of a new repository, byte for byte as Mercurial would.

This needs only the C parts of Mercurial, which pack a text and encode a name. The formats: Mercurial's help topics
internals.revlogs and internals.requirements, and ``mercurial/store.py`` for names. Two processes may write logs of
different files at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from mercurial import zstd
from mercurial.cext import parsers

from pacha.library import require
from pacha.store import repository_dir
from pacha.store.revision import CHANGELOG, ENTRY, HERE, INLINE, META, PLAIN, Blob, hashed
from pacha.system.syscalls import write_all

_APART = 0x0002_0001  #: the header of a log whose bytes lie in a file of their own
_MOST_INLINE = 128 << 10  #: bytes of a chunk; a longer one lies in a file of its own (mercurial/revlog.py, _maxinline)
_LEAST = 50  #: bytes; a smaller text is not compressed (mercurial/utils/compression.py, zstdrevlogcompressor)
_AT_ONCE = 1_000_000  #: bytes; a larger text is compressed piece by piece
_LEVEL = 3
_NOT_OLD = b"\0\0\xff\xff dummy changelog to prevent using the old repo layout"
#: The files that name the format, by path relative to the store.
FORMAT_FILES = {
    b"requires": b"".join(b"%s\n" % name for name in sorted(PLAIN - {HERE})),
    b"../requires": HERE + b"\n",
    b"../00changelog.i": _NOT_OLD,
}
encoded = require("Mercurial", parsers, "pathencode")  #: of a name below the store
encoded_folders = require("Mercurial", parsers, "encodedir")  #: of the lines of the list of names
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  #: for open(2): a file that does not exist yet


class Log(NamedTuple):
    """A written log: the node of its revision (20 bytes), and the flags of the file for the manifest.

    ``is_apart``: its bytes lie in a file of their own.
    """

    node: bytes
    flags: bytes = b""
    is_apart: bool = False


class NewStore:
    """Writes files of the store of the new repository at ``path`` (bytes).

    ``told`` is called with the name (below the store) of each finished file.
    """

    def __init__(self, path: bytes, told: Callable[[bytes], None] | None = None) -> None:
        store = os.path.join(path, os.fsencode(repository_dir.STORE))
        self._path = store + b"/"
        self._folders = {os.path.dirname(path)}
        self._compressor = zstd.ZstdCompressor(level=_LEVEL)
        self._told = told

    def begin(self) -> None:
        """Write the files that name the format. Raises OSError, as the other methods do."""
        self._make(self._path[:-1])
        for name, text in FORMAT_FILES.items():
            self.write(name, text)

    def add_file(self, name: bytes, blob: Blob) -> Log:
        """Write the log of the file ``name``."""
        index, text = encoded(b"data/%s.i" % name), blob.data
        self._make(self._path + os.path.dirname(index))
        text = META + META + text if text.startswith(META) else text
        node, is_apart = self._add(index, encoded(b"data/%s.d" % name), text)
        return Log(node, b"l" if blob.is_link else b"x" if blob.is_executable else b"", is_apart)

    def accept(self, name: bytes, log: Log) -> None:
        """Call ``told`` for the ``log`` of the file ``name``, which another process has written."""
        for listed in names_of(name, log):
            self._tell(self._path + encoded(listed))

    def discard(self, name: bytes) -> None:
        """Remove the log of the file ``name``, or a part of it, that a process has left that has ended."""
        for listed in names_of(name, Log(b"", is_apart=True)):
            with suppress(FileNotFoundError):
                os.unlink(self._path + encoded(listed))

    def add(self, log: bytes, text: bytes) -> bytes:
        """Write ``log`` (that of the manifest or the changelog) with ``text`` as its only revision; return its node."""
        return self._add(log + b".i", log + b".d", text, CHANGELOG if log == b"00changelog" else INLINE)[0]

    def write(self, name: bytes, data: bytes) -> None:
        """Create the file ``name`` below the store."""
        path = self._path + name
        fd = os.open(path, NEW, 0o600)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        self._tell(path)

    def _tell(self, path: bytes) -> None:
        if self._told:
            # A copy: Mercurial's C code does not end a long name with a zero byte, which open(2) needs.
            self._told(path[len(self._path) :])

    def _add(self, index: bytes, beside: bytes, text: bytes, header: int = INLINE) -> tuple[bytes, bool]:
        """Write a log at ``index``, large bytes in the file ``beside`` it; return its node, and whether it is apart."""
        node, chunk = hashed(text), self._packed(text)
        if header == INLINE and len(chunk) >= _MOST_INLINE:
            header = _APART
        entry = ENTRY.pack(header, 0, 0, len(chunk), len(text), 0, 0, -1, -1, node)
        if header == INLINE:
            self.write(index, entry + chunk)
            return node, False
        self.write(beside, chunk)
        self.write(index, entry)
        return node, True

    def _make(self, folder: bytes) -> None:
        """Make ``folder`` and those above it, 0700 whatever the umask, which all threads of the process share."""
        if folder not in self._folders:
            self._make(os.path.dirname(folder))
            with suppress(FileExistsError):  # by the other process
                os.mkdir(folder, 0o700)
            self._folders.add(folder)

    def _packed(self, text: bytes) -> bytes:
        """The chunk of a revision's bytes."""
        if len(text) >= _LEAST:
            packed = self._compressor.compress(text) if len(text) <= _AT_ONCE else self._in_pieces(text)
            if len(packed) < len(text):
                return bytes(packed)
        return text if text[:1] in (b"", b"\0") else b"u" + text

    def _in_pieces(self, text: bytes) -> bytes:
        compressor, size = self._compressor.compressobj(), zstd.COMPRESSION_RECOMMENDED_INPUT_SIZE
        pieces = [compressor.compress(text[start : start + size]) for start in range(0, len(text), size)]
        return b"".join([*pieces, compressor.flush()])


def names_of(name: bytes, log: Log) -> tuple[bytes, ...]:
    """The names of the files of the ``log`` of the file ``name``, as the list of names has them."""
    index = b"data/%s.i" % name
    return (b"data/%s.d" % name, index) if log.is_apart else (index,)
