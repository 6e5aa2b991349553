"""Read the content of regular files that may change while they are read."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pacha.files.dirfd import READ
from pacha.files.metadata import Entry, Kind, kind_of, observe
from pacha.files.owners import Accounts

WHOLE_LIMIT = 16 * 1024 * 1024  #: bytes; a larger file is kept in parts
PART_SIZE = 4 * 1024 * 1024  #: bytes of each part but the last
_TRIES = 3
#: Two writes within one tick of the kernel's clock leave the same times (at most 10 ms: CONFIG_HZ=100); a file
#: changed this short a time (ns) before it is read is read once that is over.
_TICK_NS = 20_000_000
_CHUNK = 1024 * 1024


class NotAFile(OSError):
    """What was a regular file when it was scanned is something else now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of a file: its entry with size and sha256 as read, its bytes, whether it held still."""

    entry: Entry
    data: bytes
    steady: bool


def digest(entry: Entry, name: bytes, dir_fd: int) -> Entry:
    """``entry`` with the sha256 and size of what ``name`` in ``dir_fd`` holds. Raises OSError."""
    fd = open_file(name, dir_fd)
    try:
        sha, size = hashlib.sha256(), 0
        for chunk in chunks(fd):
            sha.update(chunk)
            size += len(chunk)
    finally:
        os.close(fd)
    return replace(entry, sha256=sha.digest(), size=size)


def observe_and_hash(name: bytes, dir_fd: int, path: bytes, names: Accounts) -> Entry:
    """What ``metadata.observe`` says, with the sha256 of a regular file, which is read. Raises OSError."""
    entry = observe(name, dir_fd, path, names)
    return digest(entry, name, dir_fd) if entry.kind is Kind.FILE else entry


def read(entry: Entry, name: bytes, dir_fd: int) -> Reading:
    """The whole of a file of at most WHOLE_LIMIT bytes, read again while it changes under the reader.

    The entry that comes back has the size, sha256 and mtime of what was read. Raises OSError, NotAFile
    among them.
    """
    fd = open_file(name, dir_fd)
    try:
        for _ in range(_TRIES):
            before, sure = settled(fd)
            if before.st_size > WHOLE_LIMIT:
                raise NotAFile(f"grew past {WHOLE_LIMIT} bytes while it was read")
            data = os.pread(fd, before.st_size + 1, 0)
            while len(data) != before.st_size and (chunk := os.pread(fd, _CHUNK, len(data))):
                data += chunk
                if len(data) > WHOLE_LIMIT:
                    raise NotAFile(f"grew past {WHOLE_LIMIT} bytes while it was read")
            if steady := sure and same_moment(before, os.fstat(fd)) and len(data) == before.st_size:
                break
    finally:
        os.close(fd)
    read_entry = replace(entry, size=len(data), sha256=hashlib.sha256(data).digest(), mtime_ns=before.st_mtime_ns)
    return Reading(read_entry, data, steady)


def settled(fd: int) -> tuple[os.stat_result, bool]:
    """The fstat of ``fd`` and whether any later write must leave other times; a tick is waited for if need be."""
    for _ in range(_TRIES):
        found = os.fstat(fd)
        if abs(time.time_ns() - found.st_ctime_ns) > _TICK_NS:
            return found, True
        time.sleep(_TICK_NS / 1e9)
    return os.fstat(fd), False


def open_file(name: bytes, dir_fd: int) -> int:
    """A descriptor of the regular file ``name``; never blocks on a FIFO. Raises OSError, NotAFile."""
    fd = os.open(name, READ, dir_fd=dir_fd)
    if kind_of(os.fstat(fd).st_mode) is not Kind.FILE:
        os.close(fd)
        raise NotAFile("no longer a regular file")
    return fd


def chunks(fd: int) -> Iterator[bytes]:
    """The bytes of ``fd`` from its start, a mebibyte at a time."""
    offset = 0
    while chunk := os.pread(fd, _CHUNK, offset):
        offset += len(chunk)
        yield chunk


def same_moment(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two fstats of one file say that nothing was written in between."""
    return (one.st_size, one.st_mtime_ns, one.st_ctime_ns) == (
        other.st_size,
        other.st_mtime_ns,
        other.st_ctime_ns,
    )
