"""Reading files that change, shrink, grow or become something else while they are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacha.files import content, dirfd
from tests.support.entries import entry_at

BEFORE = entry_at(b"/w/f", owner=None, group=None, mtime_ns=7, size=3, sha256=b"x" * 32)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.fixture
def while_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Do something after each pread(2), given how many there were."""

    def install(act: Callable[[int], None]) -> None:
        calls = 0
        real = os.pread

        def pread(fd: int, count: int, offset: int) -> bytes:
            nonlocal calls
            data = real(fd, count, offset)
            calls += 1
            act(calls)
            return data

        monkeypatch.setattr(os, "pread", pread)

    return install


def test_a_file_that_holds_still(tmp_path: Path, folder: int) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    os.utime(tmp_path / "f", ns=(1, 123456789))
    reading = content.read(BEFORE, b"f", folder)
    assert reading.steady and reading.data == b"hello"
    wanted = BEFORE._replace(size=5, sha256=hashlib.sha256(b"hello").digest(), mtime_ns=123456789)
    assert reading.entry == wanted
    assert content.digest(BEFORE, b"f", folder) == wanted._replace(mtime_ns=7)


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
def test_sizes(tmp_path: Path, folder: int, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "f").write_bytes(data)
    reading = content.read(BEFORE, b"f", folder)
    assert reading.steady and reading.data == data
    assert content.digest(BEFORE, b"f", folder).sha256 == hashlib.sha256(data).digest()


@pytest.mark.parametrize("new", [b"new and longer", b"n", b"", b"NEW"], ids=["grown", "shrunk", "emptied", "same-size"])
def test_a_file_rewritten_once_is_read_again(
    tmp_path: Path, folder: int, new: bytes, while_reading: Callable[..., None]
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    os.utime(tmp_path / "f", ns=(1, 1))
    while_reading(lambda calls: calls == 1 and (tmp_path / "f").write_bytes(new))
    reading = content.read(BEFORE, b"f", folder)
    assert reading.steady and reading.data == new
    assert reading.entry.sha256 == hashlib.sha256(new).digest()


def test_a_file_that_never_holds_still_is_kept_as_it_was_read_with_a_warning(
    tmp_path: Path, folder: int, while_reading: Callable[..., None]
) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"0")

    def grow(calls: int) -> None:
        if calls < 50:
            path.write_bytes(b"x" * calls)

    while_reading(grow)
    reading = content.read(BEFORE, b"f", folder)
    assert not reading.steady
    assert reading.entry.size == len(reading.data)
    assert reading.entry.sha256 == hashlib.sha256(reading.data).digest()


def test_a_file_that_grows_without_end_is_given_up_in_bounded_memory(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "WHOLE_LIMIT", 1 << 20)
    real = os.pread
    path = tmp_path / "f"
    path.write_bytes(b"0")
    grown = []

    def grow_and_read(fd: int, count: int, offset: int) -> bytes:
        assert len(grown) < 100, "it reads on for ever"
        grown.append(count)
        with open(path, "ab") as stream:
            stream.write(b"x" * (1 << 20))
        return real(fd, count, offset)

    monkeypatch.setattr(os, "pread", grow_and_read)
    with pytest.raises(content.NotAFile, match="grew past"):
        content.read(BEFORE, b"f", folder)
    assert len(grown) < 10


def test_a_large_file_is_not_read_whole(tmp_path: Path, folder: int) -> None:
    os.truncate(os.open(tmp_path / "f", os.O_CREAT | os.O_WRONLY), content.WHOLE_LIMIT + 1)
    with pytest.raises(content.NotAFile):
        content.read(BEFORE, b"f", folder)


def test_a_file_system_that_gives_less_than_asked_for(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(10_000)
    (tmp_path / "f").write_bytes(data)
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, offset: real(fd, min(count, 999), offset))
    reading = content.read(BEFORE, b"f", folder)
    assert reading.steady and reading.data == data


def test_a_file_that_says_it_is_empty_and_is_not(folder: int) -> None:
    fd = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
    try:
        reading = content.read(BEFORE, b"status", fd)
        assert reading.data.startswith(b"Name:") and len(reading.data) == reading.entry.size
        assert not reading.steady
    finally:
        os.close(fd)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["fifo", "directory", "symlink", "gone"])
def test_what_is_no_regular_file_is_refused_and_never_blocks(tmp_path: Path, folder: int, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / "f")
    elif kind == "directory":
        (tmp_path / "f").mkdir()
    elif kind == "symlink":
        (tmp_path / "secret").write_bytes(b"secret")
        (tmp_path / "f").symlink_to("secret")
    before = len(os.listdir("/proc/self/fd"))
    for attempt in (content.read, content.digest):
        with pytest.raises(OSError):
            attempt(BEFORE, b"f", folder)
    assert len(os.listdir("/proc/self/fd")) == before


# -- the way down


def test_descending_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "root/a/b").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    with dirfd.DirectoryFds(os.fsencode(tmp_path / "root")) as descent:
        assert os.fstat(descent.directory(b"a/b")).st_ino == (tmp_path / "root/a/b").stat().st_ino
        with pytest.raises(OSError):
            descent.directory(b"link")
        fd, name = descent.parent(b"a/c")
        assert (os.fstat(fd).st_ino, name) == ((tmp_path / "root/a").stat().st_ino, b"c")
        assert os.fstat(descent.parent(b"top")[0]).st_ino == (tmp_path / "root").stat().st_ino


def test_descending_fails_half_way_and_goes_on_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "c/b").mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    with dirfd.DirectoryFds(os.fsencode(tmp_path)) as descent:
        descent.directory(b"a/b")
        with pytest.raises(FileNotFoundError):
            descent.directory(b"c/none/b")
        assert os.fstat(descent.directory(b"c/b")).st_ino == (tmp_path / "c/b").stat().st_ino
        assert os.fstat(descent.directory(b"a/b")).st_ino == (tmp_path / "a/b").stat().st_ino
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_larger_than_can_be_kept_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "open_file", None)
    with pytest.raises(content.NotAFile, match="cannot be kept"):
        content.as_known(entry_at(b"/w/f", size=2**47), None, b"f", -1)


def test_a_file_that_grows_without_end_is_read_to_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"x" * 5000)
    real = os.pread

    def pread(fd: int, size: int, offset: int) -> bytes:
        with open(tmp_path / "f", "ab") as stream:
            stream.write(b"y" * 2000)
        return real(fd, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    folder = os.open(tmp_path, os.O_RDONLY)
    found = content.digest(entry_at(b"/w/f"), b"f", folder)
    os.close(folder)
    assert (found.size, found.sha256) == (5000, hashlib.sha256(b"x" * 5000).digest())
