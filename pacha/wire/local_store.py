"""Read a repository in a host's folder on this machine, which the host may have forged.

Every reader of such a folder uses this module: no component below the folder of hosts may be a link, and a file must be
a plain one of the folder's owner. A copy may not be much larger than its blocks on disk: holes would cost the forger
nothing.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pacha.errors import DamagedError, PachaError
from pacha.files.dirfd import CREATE, READ, DirectoryFds
from pacha.text import escape
from pacha.wire import scp, scp_header
from pacha.wire.master import (
    HEARTBEAT,
    HEARTBEAT_MAX,
    HG,
    PURGED,
    PURGED_MAX,
    STORE,
    NoHost,
    check_index,
    is_store_file,
)

_HOLES = 64 << 20  #: bytes of a store that may be holes
_PACKED = 32  #: a file system with compression may hold this many times the size of its blocks
_SPARE = 64 << 20  #: bytes that a copy leaves free
_CHUNK = 1 << 20
DEPTH = 100  #: nested folders; Mercurial shortens paths that are deeper
LOOK = "Nothing was changed. Look at the host's folder on the master."


@contextmanager
def descend(hosts_path: bytes, host: str, relative: str) -> Iterator[int]:
    """Open the folder ``relative`` in ``host``'s, following no link. Raises NoHost, DamagedError."""
    path = os.path.join(hosts_path, os.fsencode(host), os.fsencode(relative))
    try:
        descent = DirectoryFds(hosts_path)
    except OSError as error:
        raise _missing(path, error) from None
    with descent:
        try:
            folder = descent.directory(os.fsencode(f"{host}/{relative}" if relative else host))
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise _missing(path, error) from None
            raise linked(path) from None
        yield folder


def _missing(path: bytes, error: OSError) -> NoHost:
    return NoHost(
        f"The master has no {escape(path)}.",
        "" if error.errno == errno.ENOENT else error.strerror or "",
        "Look at pacha.hosts.path, and at the name of the host.",
        code="folder-missing-on-master",
    )


def read_heartbeat(folder: int) -> bytes | None:
    """The content of ``last-push`` in the folder (a descriptor); None if it is missing. Raises OSError, ValueError."""
    try:
        file = os.open(HEARTBEAT, READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    with open(file, "rb") as stream:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError("no file")
        text = stream.read(HEARTBEAT_MAX + 1)
    if len(text) > HEARTBEAT_MAX:
        raise ValueError("too long")
    return text


def unreadable_heartbeat(error: OSError | ValueError) -> PachaError:
    """The error for a heartbeat that ``read_heartbeat`` cannot read."""
    why = error.strerror if isinstance(error, OSError) else str(error)
    return PachaError(
        f"{HEARTBEAT} cannot be read.", why or "", "Look at it in the host's folder on the master.",
        code="last-push-unreadable",
    )  # fmt: skip


def read_purged(folder: int) -> bytes | None:
    """The record of what was purged in the folder (a descriptor); None if there is none. Raises OSError."""
    try:
        file = os.open(PURGED, READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    with open(file, "rb") as stream:
        return stream.read(PURGED_MAX + 1)


def unreadable_record(error: OSError) -> PachaError:
    """The error for a record that ``read_purged`` cannot read."""
    hint = f"Look at {PURGED} in the host's folder on the master."
    return PachaError("What was purged cannot be read.", error.strerror or "", hint, code="purge-record-unreadable")


def linked(path: bytes) -> DamagedError:
    """The error for a host's folder that is a link, or is below one."""
    why = "a host's history lies in the host's own folder"
    return DamagedError(f"{escape(path)} is a link, or below one.", why, LOOK, code="link-in-host-folder")


def check_own(path: bytes) -> None:
    """Raise DamagedError where ``path`` leads to another repository, by a link or by Mercurial's share."""
    for below in (b"", os.fsencode(HG), os.fsencode(STORE)):
        if os.path.islink(os.path.join(path, below).rstrip(b"/")):
            raise linked(os.path.join(path, below))
    shared = os.path.join(path, os.fsencode(f"{HG}/sharedpath"))
    if os.path.lexists(shared):
        raise linked(shared)


@dataclass(slots=True, kw_only=True)
class StoreCopy:
    """A copy of one store into ``inbox`` (a descriptor). ``owners``: the users whose files may be in it."""

    path: bytes
    inbox: int
    owners: frozenset[int]
    files: int = 0
    size: int = 0
    blocks: int = 0  #: bytes of it on the disk
    _made: set[bytes] = field(default_factory=set)

    def run(self, store: int) -> Iterator[scp.Received]:
        """Copy the files of history below the folder ``store``. Raises DamagedError, PachaError, OSError."""
        for root, folders, names, folder in os.fwalk(b".", dir_fd=store):
            relative = os.path.normpath(root) if root != b"." else b""
            folders[:] = [name for name in folders if is_store_file(os.path.join(relative, name), True)]
            for name in folders:
                self._make(folder, name, os.path.join(relative, name))
            for name in names:
                path = os.path.join(relative, name)
                if is_store_file(path, False):
                    yield self._copy(folder, name, path)

    def add(self, store: int, path: bytes) -> None:
        """Copy the one file ``path`` of our own ``store``, with the folders above it. As ``run``."""
        above = os.path.dirname(path)
        if above and above not in self._made:
            for end in (at for at, byte in enumerate(path) if byte == ord("/")):
                with suppress(FileExistsError):
                    os.mkdir(path[:end], 0o700, dir_fd=self.inbox)
            self._made.add(above)
        self._copy(store, path, path)

    def _make(self, folder: int, name: bytes, path: bytes) -> None:
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise linked(os.path.join(self.path, path))
        if path.count(b"/") > DEPTH:
            raise not_plain(os.path.join(self.path, path[:200]), "its folders lie too deep in each other")
        os.mkdir(path, 0o700, dir_fd=self.inbox)

    def _copy(self, folder: int, name: bytes, path: bytes) -> scp.Received:
        began, whole = time.monotonic(), os.path.join(self.path, path)
        with open(open_plain(name, whole, folder, self.owners), "rb") as source:
            status = os.fstat(source.fileno())
            check_index(path, status.st_size)
            self._count(status, whole)
            self._check_room(status.st_size)
            with open(os.open(path, CREATE, 0o600, dir_fd=self.inbox), "wb") as target:
                remaining = status.st_size  # leave out what is appended meanwhile
                while remaining and (chunk := source.read(min(remaining, _CHUNK))):
                    remaining -= target.write(chunk)
                return scp.Received(path, target.tell(), time.monotonic() - began)

    def _count(self, status: os.stat_result, path: bytes) -> None:
        self.files, self.size = self.files + 1, self.size + status.st_size
        self.blocks += status.st_blocks * 512
        check_holes(self.size, self.blocks, path)

    def _check_room(self, size: int) -> None:
        room = os.fstatvfs(self.inbox)
        if size > _CHUNK and size + _SPARE > room.f_bavail * room.f_frsize:
            raise PachaError(
                "There is no room for a copy of what the master has.",
                os.strerror(errno.ENOSPC),
                "Make room, or set TMPDIR to a folder with more, and run it again.",
                code="no-room-for-copy",
            )


def check_holes(size: int, blocks: int, path: bytes) -> None:
    """Raise DamagedError, naming ``path``, if ``size`` is far more than ``blocks``, the bytes on the disk."""
    if size > _HOLES and size > _PACKED * blocks:
        raise DamagedError(
            f"{escape(path)} is not copied: it has more holes than content.",
            f"{size >> 20} MiB, but only {blocks >> 20} MiB on the disk",
            LOOK,
            subject=escape(path),
            code="store-sparse",
        )


def open_plain(name: bytes, path: bytes, folder: int | None = None, owners: frozenset[int] | None = None) -> int:
    """Open the file ``name``, which may be neither a link nor a FIFO (opening one could wait for ever).

    Messages call it ``path``; ``owners`` are the users that may own it, None: any. Raises OSError, RemoteError,
    DamagedError.
    """
    try:
        fd = os.open(name, READ, dir_fd=folder)
    except FileNotFoundError:
        raise scp_header.RemoteError(
            f"{escape(path)} is gone.",
            "it was there a moment ago",
            "Run this again.",
            subject=escape(path),
            code="file-gone",
        ) from None
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link; a socket
            raise
        raise not_plain(path, "a history has no other") from None
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode) and (owners is None or status.st_uid in owners):
        return fd
    os.close(fd)
    plain = stat.S_ISREG(status.st_mode)
    raise not_plain(path, f"it is user {status.st_uid}'s" if plain else "a history has no other")


def not_plain(path: bytes, why: str) -> DamagedError:
    """The error for ``path`` in a store, which has nothing but files in folders."""
    return DamagedError(
        f"{escape(path)} is not a plain file.", why, LOOK, subject=escape(path), code="not-a-plain-file"
    )
