"""An original moves whole, piece by piece where it must, and is never in neither place."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.restore.relocate import displace, relocate
from tests.support.stage import picture

Places = tuple[int, int]


@pytest.fixture(name="places")
def two_places(tmp_path: Path) -> Iterator[Places]:
    """A directory with the tree ``old`` in it, and one for what is kept."""
    deep = tmp_path / "here/old/deep"
    deep.mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (deep.parent / "file").write_text("precious")
    os.link(deep.parent / "file", deep / "again")
    (deep / "link").symlink_to("nowhere")
    os.setxattr(deep.parent, "user.what", b"kept")
    deep.parent.chmod(0o2751)
    for path in (deep, deep.parent):
        os.utime(path, ns=(1, 1_000_000_007))
    fds = tuple(os.open(tmp_path / name, os.O_RDONLY) for name in ("here", "kept"))
    yield fds[0], fds[1]
    for fd in fds:
        os.close(fd)


@pytest.fixture(name="layered")
def of_a_lower_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no directory be renamed out of ``here``, as overlayfs does with one of a lower layer."""
    real = os.rename

    def rename(source: bytes, target: bytes, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        there = os.readlink(f"/proc/self/fd/{src_dir_fd}")
        if "/here" in there and stat.S_ISDIR(os.stat(source, dir_fd=src_dir_fd, follow_symlinks=False).st_mode):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)


def test_what_can_be_renamed_is_renamed(tmp_path: Path, places: Places) -> None:
    inode = (tmp_path / "here/old").stat().st_ino
    displace(b"old", places[0], b"000001", places[1])
    assert (tmp_path / "kept/000001").stat().st_ino == inode


@pytest.mark.usefixtures("layered")
def test_a_directory_that_cannot_be_moves_with_all_that_it_is(tmp_path: Path, places: Places) -> None:
    before = picture(tmp_path / "here/old")
    displace(b"old", places[0], b"000001", places[1])
    assert picture(tmp_path / "kept/000001") == before
    assert os.getxattr(tmp_path / "kept/000001", "user.what") == b"kept"
    assert os.listdir(tmp_path / "here") == []


@pytest.mark.usefixtures("layered")
def test_half_of_it_is_taken_back(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real, calls = picture(tmp_path / "here/old"), os.rmdir, []

    def fails_once(path: bytes, *, dir_fd: int) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", fails_once)
    with pytest.raises(OSError, match="No space"):
        displace(b"old", places[0], b"000001", places[1])
    assert picture(tmp_path / "here/old") == before and os.listdir(tmp_path / "kept") == []


@pytest.mark.usefixtures("layered")
def test_a_run_that_was_killed_half_way_leaves_all_of_it(tmp_path: Path, places: Places) -> None:
    before = picture(tmp_path / "here/old").keys()
    (tmp_path / "kept/000001").mkdir()
    os.link(tmp_path / "here/old/file", tmp_path / "kept/000001/file")
    (tmp_path / "here/old/file").unlink()
    relocate(b"000001", places[1], b"old", places[0])
    assert picture(tmp_path / "here/old").keys() == before and os.listdir(tmp_path / "kept") == []


def test_what_is_missing_is_missing(places: Places) -> None:
    with pytest.raises(FileNotFoundError):
        displace(b"never", places[0], b"000001", places[1])


@pytest.mark.usefixtures("layered")
def test_one_that_is_too_deep_stays(tmp_path: Path, places: Places) -> None:
    deepest = tmp_path / "here/old" / "/".join(["d"] * 250)
    deepest.mkdir(parents=True)
    with pytest.raises(OSError, match="cross-device"):
        displace(b"old", places[0], b"000001", places[1])
    assert deepest.is_dir() and os.listdir(tmp_path / "kept") == []
