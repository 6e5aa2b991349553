"""One process at a time makes a repository, and what a killed one left is removed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.wire.claimed_folder import claimed


@pytest.fixture(name="folder")
def opened_folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_one_has_it_and_leaves_nothing(tmp_path: Path, folder: int) -> None:
    with claimed("new", folder) as first, claimed("new", folder) as second:
        assert (first, second) == (True, False) and (tmp_path / "new").stat().st_mode & 0o777 == 0o700
        (tmp_path / "new" / "file").touch()
    assert os.listdir(tmp_path) == []


def test_what_was_renamed_stays(tmp_path: Path, folder: int) -> None:
    with claimed("new", folder):
        (tmp_path / "new").rename(tmp_path / "named")
        (tmp_path / "new").mkdir()
    assert sorted(os.listdir(tmp_path)) == ["named", "new"]


def test_what_a_killed_one_left_is_removed(tmp_path: Path, folder: int) -> None:
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        with claimed("new", folder):
            (tmp_path / "new" / "half").mkdir()
            os.write(writer, b"x")
            signal.pause()
    os.read(reader, 1)
    with claimed("new", folder) as has_it:
        assert not has_it and os.listdir(tmp_path / "new") == ["half"]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
    with claimed("new", folder) as has_it:
        assert has_it and os.listdir(tmp_path / "new") == []
    assert os.listdir(tmp_path) == []


def test_a_link_is_not_followed(tmp_path: Path, folder: int) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "new").symlink_to("other")
    with pytest.raises(OSError), claimed("new", folder):
        pass
    with claimed("other", folder):
        (tmp_path / "other" / "link").symlink_to(tmp_path)
    assert os.listdir(tmp_path) == ["new"]


def test_where_there_are_no_locks_nothing_is_left(tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError), claimed("new", folder):
        pass
    assert os.listdir(tmp_path) == []
