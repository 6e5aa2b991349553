"""Write a repository with its first revision, byte for byte as Mercurial would, without importing all of Mercurial.

Of Mercurial only the C parts are needed, which pack a text and encode a name. The repository lies at a temporary path
until it is complete, so there is no transaction. The formats: Mercurial's help topics internals.revlogs,
internals.changelogs (``mercurial/changelog.py``), internals.requirements, and ``mercurial/store.py`` for names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable

from mercurial import zstd
from mercurial.cext import parsers

from pacha.errors import DamagedError, PachaError, cause
from pacha.library import require
from pacha.store import repository_dir
from pacha.store.growth import Growth
from pacha.store.revision import CHANGELOG, ENTRY, HERE, INLINE, META, PLAIN, Content, Note, hashed
from pacha.system.syscalls import sync_file, sync_file_system, write_all

_APART = 0x0002_0001  #: the header of a log whose bytes lie in a file of their own
_MOST_INLINE = 128 << 10  #: bytes of a chunk; a longer one lies in a file of its own (mercurial/revlog.py, _maxinline)
_LEAST = 50  #: bytes; a smaller text is not compressed (mercurial/utils/compression.py, zstdrevlogcompressor)
_AT_ONCE = 1_000_000  #: bytes; a larger text is compressed piece by piece
_LEVEL = 3
_NOT_OLD = b"\0\0\xff\xff dummy changelog to prevent using the old repo layout"
#: The files, relative to the store, that tell the format.
_FORMAT = {
    b"requires": b"".join(b"%s\n" % name for name in sorted(PLAIN - {HERE})),
    b"../requires": HERE + b"\n",
    b"../00changelog.i": _NOT_OLD,
}
_encode = require("Mercurial", parsers, "pathencode")  #: of a name below the store
_encode_folders = require("Mercurial", parsers, "encodedir")  #: of the lines of the list of names
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FLAGS = {(False, False): b"", (False, True): b"x", (True, False): b"l", (True, True): b"l"}


def make_repository(
    path: str, names: Iterable[bytes], content: Content, note: Note, growth: Growth | None = None
) -> str:
    """Make the repository at ``path``, where nothing is, and return the node of its only revision.

    ``names`` and ``content`` as in ``Repository.commit``. What ``content`` raises is passed on, except for OSError;
    then nothing is made. ``growth`` is told of each file as soon as it is written, and ends when the repository has its
    name on the disk. Raises PachaError.
    """
    new = ""
    try:
        new = repository_dir.temporary_path(path)
        node = _fill(new, sorted(names), content, note, growth)
        _install(new, path)
        if growth:
            growth.end(is_whole=True)
        return node
    except OSError as error:
        message = f"The repository {path} cannot be written."
        hint = "Make room there, or fix that, then run this again."
        raise PachaError(message, cause(error), hint, code="disk-refused") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def complete(path: str, files: Collection[bytes]) -> None:
    """Make a repository of the ``files`` that came to its store at ``path`` (names below the store).

    Nothing in them is read but the list of names, which has to be that of the files: Mercurial opens what it names.
    Raises DamagedError, OSError.
    """
    store = os.path.join(os.fsencode(path), os.fsencode(repository_dir.STORE))
    try:
        with open(os.path.join(store, b"fncache"), "rb") as stream:
            listed = stream.read()
    except FileNotFoundError:
        listed = b""
    names = _decode_folders(listed).splitlines()
    logs = {name for name in files if name.startswith((b"data/", b"dh/"))}
    is_own = _encode_folders(b"".join(name + b"\n" for name in names)) == listed
    if not (is_own and b"00changelog.i" in files and len(names) == len(logs) and set(map(_encode, names)) == logs):
        why = "its files are not those of its list"
        message = f"The files that came for the repository {os.path.basename(path)} are no history."
        raise DamagedError(message, why, "Push again.", code="files-do-not-fit")
    for name, text in _FORMAT.items():
        with open(os.open(os.path.join(store, name), _NEW, 0o600), "wb") as stream:
            stream.write(text)


def _decode_folders(text: bytes) -> bytes:
    """The names that ``_encode_folders`` was given (mercurial/store.py, decodedir)."""
    return text.replace(b".d.hg/", b".d/").replace(b".i.hg/", b".i/").replace(b".hg.hg/", b".hg/")


def _install(new: str, path: str) -> None:
    """Rename ``new`` to ``path``, both on the disk: pacha.db, which is synced, will name what is in it.

    After a power cut, a push sends the files of what no master has yet, and does not read them again.
    """
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync_file_system(folder)
        os.rename(new, path)
        sync_file(folder)
    finally:
        os.close(folder)


def _fill(path: str, names: list[bytes], content: Content, note: Note, growth: Growth | None) -> str:
    store = _Store(os.fsencode(path), growth.add if growth else None)
    if growth:
        growth.begin(path)
    files, lines = list[bytes](), bytearray()  # one text: a line each for 100,000 files takes twice as much
    for name in names:
        blob = content(name)
        if blob is not None:
            node = store.add_file(name, blob.data)
            files.append(name)
            lines += b"%s\0%s%s\n" % (name, node.hex().encode(), _FLAGS[blob.is_link, blob.is_executable])
    manifest = store.add(b"00manifest", bytes(lines))
    del lines
    user, message = (text.encode("utf-8", "replace") for text in (note.user, note.message))
    message = b"\n".join(line.rstrip() for line in message.splitlines()).strip(b"\n")
    date = b"%d 0" % note.at
    store.list_logs()
    node = store.add(b"00changelog", b"\n".join([manifest.hex().encode(), user.strip(), date, *files, b"", message]))
    store.draft(node)
    return node.hex()


class _Store:
    """The files of the repository that is to be at ``path`` (bytes), in a folder that is there.

    ``told`` is called with the name below the store of each that is written.
    """

    def __init__(self, path: bytes, told: Callable[[bytes], None] | None = None) -> None:
        store = os.path.join(path, os.fsencode(repository_dir.STORE))
        self._path = store + b"/"
        self._names = bytearray()  #: a line each
        self._folders = {os.path.dirname(path)}
        self._compressor = zstd.ZstdCompressor(level=_LEVEL)
        self._told = told
        self._make(store)
        for name, text in _FORMAT.items():
            self._write(name, text)

    def add_file(self, name: bytes, text: bytes) -> bytes:
        """Write the log of the file ``name``; return the node of its revision, 20 bytes."""
        index = b"data/" + name
        self._make(self._path + os.path.dirname(_encode(index + b".i")))
        return self.add(index, META + META + text if text.startswith(META) else text, in_list=True)

    def add(self, log: bytes, text: bytes, *, in_list: bool = False) -> bytes:
        """Write ``log`` with ``text`` as its only revision; ``in_list``: in the list of names. Returns its node."""
        node, chunk = hashed(text), self._packed(text)
        header = CHANGELOG if log == b"00changelog" else INLINE if len(chunk) < _MOST_INLINE else _APART
        entry = ENTRY.pack(header, 0, 0, len(chunk), len(text), 0, 0, -1, -1, node)
        if header == INLINE:
            self._write(log + b".i", entry + chunk, in_list)
        else:
            self._write(log + b".d", chunk, in_list)
            self._write(log + b".i", entry, in_list)
        return node

    def list_logs(self) -> None:
        """Write the list of the files' logs."""
        self._write(b"fncache", _encode_folders(bytes(self._names)))

    def draft(self, node: bytes) -> None:
        """Write that ``node`` is on no master yet (hg help phases)."""
        self._write(b"phaseroots", b"1 %s\n" % node.hex().encode())

    def _make(self, folder: bytes) -> None:
        """Make ``folder`` and those above it, 0700 whatever the umask, which all threads of the process share."""
        if folder not in self._folders:
            self._make(os.path.dirname(folder))
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

    def _write(self, name: bytes, data: bytes, in_list: bool = False) -> None:
        if in_list:
            self._names += name + b"\n"
            name = _encode(name)
        path = self._path + name
        fd = os.open(path, _NEW, 0o600)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        if self._told:
            # A copy: Mercurial leaves a long name without the zero byte behind it, and open(2) takes none such.
            self._told(path[len(self._path) :])
