"""What an inode passes on to what comes into it, where its file system has that."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

import pytest

from pacha.system import inode_flags

OTHER, INHERIT = 0x2, 0x200


def asked(monkeypatch: pytest.MonkeyPatch, flags: int, error: int = 0) -> list[tuple[int, ...]]:
    """Let the kernel answer ``flags`` of project 7, or ``error``; return the list of what it is given."""
    given: list[tuple[int, ...]] = []

    def ioctl(fd: int, request: int, data: bytes, change: bool = False) -> bytes:
        if error:
            raise OSError(error, os.strerror(error))
        if request == 0x401C5820:
            given.append(struct.unpack("=5I8x", data))
        return struct.pack("=5I8x", flags, 1, 2, 7, 4)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    return given


def test_only_the_inheritance_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    given = asked(monkeypatch, OTHER | INHERIT)
    inode_flags.stop_inheritance(0)
    assert given == [(OTHER, 1, 2, 7, 4)]


def test_without_any_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    given = asked(monkeypatch, OTHER)
    inode_flags.stop_inheritance(0)
    assert given == []


@pytest.mark.parametrize("error", [errno.ENOTTY, errno.ENOTSUP])
def test_a_file_system_without_it_is_none(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    asked(monkeypatch, 0, error)
    inode_flags.stop_inheritance(0)


@pytest.mark.parametrize("error", [errno.ENOTTY, errno.ENOTSUP])
def test_where_there_are_no_flags_none_is_taken_away(monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    asked(monkeypatch, 0, error)
    inode_flags.remove_flag(0, 0x80)


def test_here_it_fails_nowhere(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    inode_flags.stop_inheritance(fd)
    os.close(fd)
