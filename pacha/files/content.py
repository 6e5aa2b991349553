"""Read the content of regular files that may change while they are read."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pacha.files import keyed
from pacha.files.dirfd import NotAFile, open_file
from pacha.files.entry import Entry, Kind
from pacha.files.metadata import observe
from pacha.files.owners import Accounts

WHOLE_LIMIT = 16 * 1024 * 1024  #: bytes; a larger file is stored in parts
PART_SIZE = 4 * 1024 * 1024  #: bytes of each part but the last
MOST_PARTS = 10**6 - 1  #: no more can be named; a larger file has no end, like /proc/kcore
_TRIES = 3
#: ns. Two writes within one tick of the kernel's clock leave the same times (a tick is at most 10 ms: CONFIG_HZ=100),
#: so a file that changed within this time is read after it has passed.
_TICK_NS = 20_000_000
_CHUNK = 1024 * 1024
_NO_KEYS: Mapping[bytes, bytes] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of a file: its entry (size and sha256 as read), its bytes, and whether it was ``steady``: unchanged.

    ``status``: the fstat of the file that was read, which may have replaced the one that was scanned.
    """

    entry: Entry
    data: bytes
    steady: bool
    status: os.stat_result


def digest(entry: Entry, name: bytes, dir_fd: int, key: bytes = b"") -> Entry:
    """``entry`` with the sha256 and size of the file ``name`` in ``dir_fd``; with ``key`` the keyed digest.

    Bytes that are appended meanwhile are not read: the file might grow for ever. Raises OSError.
    """
    fd = open_file(name, dir_fd)
    try:
        size = 0
        sha = keyed.begin(key, entry.path, keyed.secret(entry.xattrs)) if key else hashlib.sha256()
        for chunk in chunks(fd, os.fstat(fd).st_size or WHOLE_LIMIT):
            sha.update(chunk)
            size += len(chunk)
    finally:
        os.close(fd)
    return entry._replace(sha256=sha.digest(), size=size)


def as_known(
    entry: Entry, known: Entry | None, name: bytes, dir_fd: int, keys: Mapping[bytes, bytes] = _NO_KEYS
) -> Entry:
    """``entry`` with the content of ``known`` if the file still reads the same; else without sha256, to be read.

    ``keys``: the keys of the digests of sealed contents, by id. Raises OSError for an endless file, before the commit.
    """
    if entry.size > MOST_PARTS * PART_SIZE:
        raise NotAFile(f"is larger than {MOST_PARTS * PART_SIZE:,} bytes; it cannot be kept")
    key = keys.get(keyed.key_id(known.sealed), b"") if known is not None else b""
    comparable = known is not None and known.sha256 is not None and (bool(key) or known.sealed is None)
    if known is not None and comparable and known.size == entry.size:
        entry = digest(entry, name, dir_fd, key)
        if entry.sha256 == known.sha256:
            xattrs = keyed.clear(entry.xattrs) if key else entry.xattrs
            return entry._replace(stored=known.stored, parts=known.parts, sealed=known.sealed, xattrs=xattrs)
    return entry._replace(sha256=None, stored=known.stored, parts=known.parts) if known is not None else entry


def observe_and_hash(name: bytes, dir_fd: int, path: bytes, names: Accounts) -> Entry:
    """The entry of ``metadata.observe``; a regular file is read for its sha256. Raises OSError."""
    entry = observe(name, dir_fd, path, names)
    return digest(entry, name, dir_fd) if entry.kind is Kind.FILE else entry


def read(entry: Entry, name: bytes, dir_fd: int) -> Reading:
    """Read a file of at most WHOLE_LIMIT bytes; repeat, up to three times, if it changes meanwhile.

    The entry returned has the size, sha256 and mtime of what was read. Raises OSError (NotAFile).
    """
    fd = open_file(name, dir_fd)
    try:
        for _ in range(_TRIES):
            before, is_settled = settled(fd)
            if before.st_size > WHOLE_LIMIT:
                raise NotAFile(f"grew past {WHOLE_LIMIT} bytes while it was read")
            data = os.pread(fd, before.st_size + 1, 0)
            while len(data) != before.st_size and (chunk := os.pread(fd, _CHUNK, len(data))):
                data += chunk
                if len(data) > WHOLE_LIMIT:
                    raise NotAFile(f"grew past {WHOLE_LIMIT} bytes while it was read")
            if steady := is_settled and same_moment(before, os.fstat(fd)) and len(data) == before.st_size:
                break
    finally:
        os.close(fd)
    read_entry = entry._replace(sha256=hashlib.sha256(data).digest())
    if (len(data), before.st_mtime_ns) != (entry.size, entry.mtime_ns):  # else the number objects of ``entry`` stay
        read_entry = read_entry._replace(size=len(data), mtime_ns=before.st_mtime_ns)
    return Reading(read_entry, data, steady, before)


def settled(fd: int) -> tuple[os.stat_result, bool]:
    """Return the fstat of ``fd``, and whether every later write will change its times; wait a tick if needed."""
    for _ in range(_TRIES):
        status = os.fstat(fd)
        if abs(time.time_ns() - status.st_ctime_ns) > _TICK_NS:
            return status, True
        time.sleep(_TICK_NS / 1e9)
    return os.fstat(fd), False


def chunks(fd: int, most: int) -> Iterator[bytes]:
    """Yield the first ``most`` bytes of ``fd``, or all if it has fewer, a mebibyte at a time."""
    offset = 0
    while offset < most and (chunk := os.pread(fd, min(_CHUNK, most - offset), offset)):
        offset += len(chunk)
        yield chunk


def same_moment(before: os.stat_result, after: os.stat_result) -> bool:
    """Whether nothing was written to a file between two fstats of it."""
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )
