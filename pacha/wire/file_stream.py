"""The files of a history as one stream: for each a line, ``SIZE NAME``, and so many bytes; an empty line ends it.

So a new repository comes to Pacha on a master, which need not import Mercurial for it. The names lie below the store.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from pacha.errors import DamagedError, PachaError
from pacha.files.dirfd import CREATE
from pacha.system.syscalls import write_all
from pacha.text import escape
from pacha.wire.master import HG_REQUIRES, REQUIRES, STORE, CannotStream, check_index

_PIECE = 256 * 1024
_LONGEST = 1024  #: bytes of a line; Mercurial shortens what is longer than 120
_LOG = rb"(?:00changelog|00manifest|(?:data|dh)(?:/[!-\-0-~][ -.0-~]*)+)\.[id]"  #: encoded: mercurial/store.py
_NAME = re.compile(_LOG + rb"|fncache")
_LINE = re.compile(rb"([0-9]{1,15}) (%b)\n" % _NAME.pattern)


def requirements_of(repository: str) -> list[str]:
    """The requirements of the store of ``repository``. Raises CannotStream where the rest is of another format."""
    try:
        with open(os.path.join(repository, HG_REQUIRES), "rb") as beside:
            is_plain = beside.read() == b"share-safe\n"
        with open(os.path.join(repository, REQUIRES), encoding="ascii") as stream:
            required = stream.read().split()
    except (OSError, ValueError):
        raise CannotStream from None
    if not is_plain:
        raise CannotStream
    return required


def pack(repository: str, names: Iterable[bytes]) -> Iterator[bytes]:
    """The stream of the files ``names`` below the store of ``repository``, each read when it is named.

    Passes over what is not of the history itself. Raises what ``names`` raise, and CannotStream for a file that cannot
    be read.
    """
    store, pieces, size = os.path.join(os.fsencode(repository), os.fsencode(STORE)), list[bytes](), 0
    for name in filter(_NAME.fullmatch, names):
        for piece in _file(os.path.join(store, name), name):
            pieces.append(piece)
            size += len(piece)
            if size >= _PIECE:
                yield b"".join(pieces)
                pieces, size = [], 0
    yield b"".join([*pieces, b"\n"])


def _file(path: bytes, name: bytes) -> Iterator[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise CannotStream from None
    try:
        rest = os.fstat(fd).st_size
        yield b"%d %b\n" % (rest, name)
        while rest:
            piece = os.read(fd, min(rest, _PIECE))
            if not piece:
                raise CannotStream
            rest -= len(piece)
            yield piece
    finally:
        os.close(fd)


def unpack(pipe: BinaryIO, store: bytes) -> set[bytes]:
    """Write the files that come over ``pipe`` into the new folder ``store``, 0600; returns their names.

    Raises DamagedError for another kind of stream or an incomplete one, OSError.
    """
    os.makedirs(store, mode=0o700)
    names, folders = set[bytes](), {b""}
    while (line := pipe.readline(_LONGEST)) != b"\n":
        match = _LINE.fullmatch(line)
        if match is None or match[2] in names:
            raise _odd(line)
        size, name = int(match[1]), match[2]
        check_index(name, size)
        _make(store, os.path.dirname(name), folders)
        _write(os.path.join(store, name), pipe, size)
        names.add(name)
    return names


def _make(store: bytes, folder: bytes, made: set[bytes]) -> None:
    """Make ``folder`` below ``store``, and those above it."""
    if folder not in made:
        _make(store, os.path.dirname(folder), made)
        os.mkdir(os.path.join(store, folder), 0o700)
        made.add(folder)


def _write(path: bytes, pipe: BinaryIO, size: int) -> None:
    fd = os.open(path, CREATE, 0o600)
    try:
        while size:
            piece = pipe.read(min(size, _PIECE))
            if not piece:
                raise _odd(b"")
            write_all(fd, piece)
            size -= len(piece)
    finally:
        os.close(fd)


def _odd(line: bytes) -> PachaError:
    why = f"it says: {escape(line[:80])}" if line else "it ended early"
    return DamagedError(
        "The files of a new repository do not come as they should.", why, "Push again.", code="files-odd"
    )
