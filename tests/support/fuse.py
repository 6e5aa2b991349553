"""A file system of our own (FUSE) with one directory, which fails where a test wants it to.

It speaks the kernel's protocol (linux/fuse.h, version 7.31) on /dev/fuse, from a thread of this process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_libc = ctypes.CDLL(None, use_errno=True)
_NOSUID_NODEV, _DETACH = 2 | 4, 2
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS, _RELEASE = 1, 2, 3, 14, 15, 17, 18
_GETXATTR, _LISTXATTR, _FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = 22, 23, 25, 26, 27, 28, 29
_WITHOUT_ANSWER = (_FORGET, 36, 42)  # FORGET, INTERRUPT, BATCH_FORGET
_ROOT = 1


@dataclass
class FaultyFolder:
    """Its ``files`` (content by name) and their ``xattrs``; ``faults``: the errno of an operation on a name.

    The operations: ``lookup``, ``open``, ``read``, ``list`` (the directory, b""), ``listxattr``, ``getxattr``.
    """

    files: dict[bytes, bytes] = field(default_factory=dict)
    xattrs: dict[bytes, Mapping[bytes, bytes]] = field(default_factory=dict)
    faults: dict[tuple[str, bytes], int] = field(default_factory=dict)

    def serve(self, device: int) -> None:
        """Answer the kernel until the file system is unmounted."""
        while True:
            try:
                request = os.read(device, 1 << 18)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # ENODEV: unmounted
            _, operation, unique, node = struct.unpack_from("<IIQQ", request)
            if operation not in _WITHOUT_ANSWER:
                self._answer(device, unique, lambda: self._do(operation, node, request[40:]))  # noqa: B023

    @staticmethod
    def _answer(device: int, unique: int, work: Callable[[], bytes]) -> None:
        try:
            data, failed = work(), 0
        except OSError as error:
            data, failed = b"", error.errno or errno.EIO
        with suppress(FileNotFoundError):  # whoever asked has ended meanwhile
            os.write(device, struct.pack("<IiQ", 16 + len(data), -failed, unique) + data)

    def _do(self, operation: int, node: int, body: bytes) -> bytes:
        name = b"" if node <= _ROOT else sorted(self.files)[node - 2]
        if operation == _INIT:
            return struct.pack("<IIIIHHIIHHI7I", 7, 31, 1 << 17, 0, 0, 0, 1 << 17, 1, 0, 0, *[0] * 8)
        if operation == _LOOKUP:
            return self._lookup(body.rstrip(b"\0"))
        if operation == _GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self._attributes(name)
        if operation in (_OPEN, _OPENDIR):
            self._fail("open", name)
            return struct.pack("<QII", 0, 1, 0)  # FOPEN_DIRECT_IO
        if operation in (_READ, _READDIR):
            _, offset, size = struct.unpack_from("<QQI", body)
            return self._listing(offset) if operation == _READDIR else self._content(name, offset, size)
        if operation in (_LISTXATTR, _GETXATTR):
            return self._xattr(operation, name, body)
        if operation == _STATFS:
            return struct.pack("<5Q10I", *[0] * 5, 4096, 255, 4096, *[0] * 7)
        if operation in (_RELEASE, _RELEASEDIR, _FLUSH):
            return b""
        raise OSError(errno.ENOSYS, "")

    def _fail(self, operation: str, name: bytes) -> None:
        if number := self.faults.get((operation, name)):
            raise OSError(number, "")

    def _lookup(self, name: bytes) -> bytes:
        self._fail("lookup", name)
        if name not in self.files:
            raise OSError(errno.ENOENT, "")
        return struct.pack("<4QII", sorted(self.files).index(name) + 2, 0, 0, 0, 0, 0) + self._attributes(name)

    def _attributes(self, name: bytes) -> bytes:
        kind, size = (stat.S_IFREG | 0o644, len(self.files[name])) if name else (stat.S_IFDIR | 0o755, 0)
        number = sorted(self.files).index(name) + 2 if name else _ROOT
        return struct.pack("<6Q10I", number, size, 1, 0, 1000, 1000, 0, 0, 0, kind, 1, *[0] * 3, 4096, 0)

    def _content(self, name: bytes, offset: int, size: int) -> bytes:
        self._fail("read", name)
        return self.files[name][offset : offset + size]

    def _listing(self, offset: int) -> bytes:
        self._fail("list", b"")
        listed = b""
        for number, name in enumerate(sorted(self.files)[offset:], offset + 1):
            entry = struct.pack("<QQII", number + 1, number, len(name), 8) + name  # DT_REG
            listed += entry + bytes(-len(entry) % 8)
        return listed

    def _xattr(self, operation: int, name: bytes, body: bytes) -> bytes:
        of_file, size = self.xattrs.get(name, {}), struct.unpack_from("<I", body)[0]
        if operation == _LISTXATTR:
            self._fail("listxattr", name)
            value = b"".join(key + b"\0" for key in of_file)
        else:
            self._fail("getxattr", name)
            value = of_file.get(body[8:].rstrip(b"\0"), b"")
        return value if size else struct.pack("<II", len(value), 0)


@contextmanager
def mounted_at(folder: FaultyFolder, place: Path, *, user: int = 0) -> Iterator[None]:
    """``folder`` at ``place``, for ``user`` and no other: not even root may look at another user's."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        _cannot(f"no FUSE here: {error.strerror}")
    options = f"fd={device},rootmode=40000,user_id={user},group_id={user}".encode()
    if _libc.mount(b"faulty", os.fsencode(place), b"fuse", ctypes.c_ulong(_NOSUID_NODEV), options) != 0:
        os.close(device)
        _cannot(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    server = threading.Thread(target=folder.serve, args=(device,), daemon=True)
    server.start()
    try:
        yield
    finally:
        _libc.umount2(os.fsencode(place), _DETACH)
        server.join(10)
        os.close(device)


def _cannot(why: str) -> None:
    pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
