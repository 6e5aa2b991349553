"""A directory service: accounts that a machine asks for one by one, and that nobody lists (glibc's nscd protocol).

glibc's nscd/nscd-client.h has the protocol. It asks the socket for each name and number, and never for a list.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.machine import Machine

_VERSION, _NONE = 2, 2**32 - 1
_USER_BY_NAME, _USER_BY_UID, _GROUP_BY_NAME, _GROUP_BY_GID, _GROUPS_OF = 0, 1, 2, 3, 15


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A user with a group of the same name and number."""

    name: bytes
    number: int
    home: bytes = b"/nowhere"
    groups: tuple[int, ...] = ()


@dataclass
class Directory:
    """The name service of a machine: its files, then ``entries``, which it does not list."""

    machine: Machine
    entries: Sequence[Entry]
    _listener: socket.socket = field(init=False, repr=False)

    def serve(self) -> None:
        """Answer until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        _, kind, length = struct.unpack("iii", connection.recv(12, socket.MSG_WAITALL))
        key = connection.recv(length, socket.MSG_WAITALL).rstrip(b"\0")
        found = next((entry for entry in self._all() if key in self._keys(entry, kind)), None)
        if kind in (_USER_BY_NAME, _USER_BY_UID):
            connection.sendall(_user(found))
        elif kind in (_GROUP_BY_NAME, _GROUP_BY_GID):
            connection.sendall(_group(found))
        elif kind == _GROUPS_OF:
            connection.sendall(_groups(found))

    def _keys(self, entry: Entry, kind: int) -> tuple[bytes]:
        return (b"%d" % entry.number if kind in (_USER_BY_UID, _GROUP_BY_GID) else entry.name,)

    def _all(self) -> Iterator[Entry]:
        for line in self.machine.at("/etc/passwd").read_bytes().splitlines():
            fields = line.split(b":")
            yield Entry(name=fields[0], number=int(fields[2]), home=fields[5])
        yield from self.entries

    def open(self) -> None:
        """Listen in the machine. A path that is too long for a socket is reached through its folder."""
        folder = self.machine.at("/var/run/nscd")
        folder.mkdir(parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        fd = os.open(folder, os.O_RDONLY)
        try:
            (folder / "socket").unlink(missing_ok=True)
            self._listener.bind(f"/proc/self/fd/{fd}/socket")
        finally:
            os.close(fd)
        (folder / "socket").chmod(0o666)
        self._listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self) -> None:
        """Answer no more, as a service that is down."""
        self.machine.at("/var/run/nscd/socket").unlink(missing_ok=True)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def directory(machine: Machine, *entries: Entry) -> Iterator[Directory]:
    """A directory service with ``entries`` for ``machine``, until the end of the block."""
    service = Directory(machine, entries)
    service.open()
    try:
        yield service
    finally:
        service.close()


def _text(words: Sequence[bytes]) -> tuple[list[int], bytes]:
    return [len(word) + 1 for word in words], b"".join(word + b"\0" for word in words)


def _user(entry: Entry | None) -> bytes:
    if entry is None:
        return struct.pack("iiiiIIiii", _VERSION, 0, 0, 0, _NONE, _NONE, 0, 0, 0)
    (name, password, gecos, home, shell), text = _text([entry.name, b"x", b"", entry.home, b"/bin/sh"])
    head = (_VERSION, 1, name, password, entry.number, entry.number, gecos, home, shell)
    return struct.pack("iiiiIIiii", *head) + text


def _group(entry: Entry | None) -> bytes:
    if entry is None:
        return struct.pack("iiiiIi", _VERSION, 0, 0, 0, _NONE, 0)
    (name, password), text = _text([entry.name, b"x"])
    return struct.pack("iiiiIi", _VERSION, 1, name, password, entry.number, 0) + text


def _groups(entry: Entry | None) -> bytes:
    gids = (entry.number, *entry.groups) if entry else ()
    return struct.pack("iii", _VERSION, 1 if entry else 0, len(gids)) + struct.pack(f"{len(gids)}I", *gids)
