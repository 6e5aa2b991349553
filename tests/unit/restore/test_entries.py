"""One entry is made under a temporary name and put in the place of another: whole, or not at all."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pacha.errors import DamagedError
from pacha.files.entry import Entry, Kind
from pacha.restore import entries
from pacha.restore.inode import Changed
from pacha.restore.ownership import Attributes


@pytest.fixture(name="fd")
def opened_folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def wanted(mode: int = 0o640) -> Attributes:
    return Attributes(os.geteuid(), os.getegid(), mode, 1_000_000_000_000_000_007)


def entry(data: bytes = b"", kind: Kind = Kind.FILE, **more: Any) -> Entry:
    return Entry(
        path=b"/f",
        kind=kind,
        mode=0o640,
        uid=0,
        gid=0,
        owner=None,
        group=None,
        mtime_ns=5,
        size=len(data),
        sha256=hashlib.sha256(data).digest(),
        **more,
    )


def inode(path: Path) -> entries.Inode:
    return entries.inode_of(path.lstat())


@pytest.mark.parametrize("data", [b"", b"some", bytes(1 << 20), b"a" + bytes(1 << 18) + b"b", bytes(70_000) + b"c"])
def test_a_file_is_what_was_recorded_and_zeros_take_no_room(tmp_path: Path, fd: int, data: bytes) -> None:
    chunks = [data[:65536], data[65536:]]
    made = entries.make_file(b"f", fd, entry(data, link_group=7), wanted(), iter(chunks))
    status = (tmp_path / "f").stat()
    assert (tmp_path / "f").read_bytes() == data and made == entries.NewEntry((), inode(tmp_path / "f"))
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, wanted().mtime_ns)
    assert status.st_blocks * 512 <= 1 << 18
    assert entries.make_file(b"g", fd, entry(data), wanted(), iter(chunks)).inode is None, "it has one name"


@pytest.mark.parametrize("sent", [b"", b"som", b"somE", b"some more", b"some" * 100_000])
def test_content_that_is_not_as_recorded_is_damage(fd: int, sent: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        entries.make_file(b"f", fd, entry(b"some"), wanted(), iter([sent]))
    assert caught.value.code == "fetched-content-changed"


def test_nothing_is_made_over_what_is_there(tmp_path: Path, fd: int) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to("precious")
    for name in (b"precious", b"link"):
        with pytest.raises(FileExistsError):
            entries.make_file(name, fd, entry(), wanted(), iter([b""]))
        with pytest.raises(FileExistsError):
            entries.make_directory(name, fd)
    assert (tmp_path / "precious").read_text() == "precious"


def test_links_pipes_and_directories(tmp_path: Path, fd: int) -> None:
    entries.make_other(b"l", fd, entry(kind=Kind.SYMLINK, target=b"no\xffwhere"), wanted())
    entries.make_other(b"p", fd, entry(kind=Kind.FIFO), wanted(0o620))
    entries.make_directory(b"d", fd)
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    assert entries.finish_directory(b"d", fd, wanted(0o1755)) == []
    assert os.readlink(os.fsencode(tmp_path / "l")) == b"no\xffwhere"
    assert (tmp_path / "l").lstat().st_mtime_ns == (tmp_path / "d").stat().st_mtime_ns == wanted().mtime_ns
    assert stat.filemode((tmp_path / "p").stat().st_mode) == "prw--w----"
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o1755
    with pytest.raises(Changed):
        entries.finish_directory(b"p", fd, wanted())


def test_another_name_is_of_the_same_inode_or_none(tmp_path: Path, fd: int) -> None:
    (tmp_path / "a").write_text("a")
    entries.make_link(b"b", fd, b"a", fd, inode(tmp_path / "a"))
    assert (tmp_path / "b").samefile(tmp_path / "a")
    with pytest.raises(Changed):
        entries.make_link(b"c", fd, b"a", fd, (0, 0))
    assert not (tmp_path / "c").exists()


def test_a_name_that_is_taken_is_not(tmp_path: Path, fd: int) -> None:
    for name in ("new", "taken"):
        (tmp_path / name).write_text(name)
    assert not entries.put(b"taken", b"new", fd) and (tmp_path / "taken").read_text() == "taken"
    assert entries.put(b"free", b"new", fd) and (tmp_path / "free").read_text() == "new"


@pytest.mark.parametrize("directories", [False, True])
def test_what_was_there_is_kept(tmp_path: Path, fd: int, directories: bool) -> None:
    (tmp_path / "kept").mkdir()
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    kept_fd = os.open(tmp_path / "kept", os.O_RDONLY)
    entries.swap(b"old", b"new", fd, b"1", kept_fd, directories=directories)
    assert ((tmp_path / "old").read_text(), (tmp_path / "kept/1").read_text()) == ("new", "old")
    with pytest.raises(OSError):
        entries.swap(b"old", b"missing", fd, b"2", kept_fd, directories=directories)
    os.close(kept_fd)
    assert (tmp_path / "old").read_text() == "new" and os.listdir(tmp_path / "kept") == ["1"]
    assert sorted(os.listdir(tmp_path)) == ["kept", "old"]


def test_a_tree_is_discarded_whole_and_no_link_in_it_is_followed(tmp_path: Path, fd: int) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    deep = tmp_path / "tree" / "/".join("d" * 300)
    deep.mkdir(parents=True)
    (deep / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "tree/shut").mkdir(mode=0)
    for name in (b"tree", b"none"):
        entries.discard(name, fd)
    assert os.listdir(tmp_path) == ["precious"] and (tmp_path / "precious/file").exists()


def test_a_temporary_name_with_the_original_under_it_stays(tmp_path: Path, fd: int) -> None:
    (tmp_path / "t").touch()
    entries.discard_new(b"t", fd, inode(tmp_path / "t"))
    assert (tmp_path / "t").exists()
    entries.discard_new(b"t", fd, None)
    entries.discard_new(b"t", fd, None)
    assert os.listdir(tmp_path) == []


def test_content_without_end_is_refused_once_it_is_longer_than_recorded(tmp_path: Path, fd: int) -> None:
    taken = itertools.count()
    chunks = (b"x" * 10 for _ in itertools.takewhile(lambda number: number < 1000, taken))
    with pytest.raises(DamagedError):
        entries.make_file(b"f", fd, entry(b"x" * 25), wanted(), chunks)
    assert next(taken) < 10


def test_a_folder_whose_original_cannot_be_kept_is_as_it_was(tmp_path: Path, fd: int) -> None:
    for folder in ("d/old", "new/made", "kept/full"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(OSError):
        entries.swap(b"d", b"new", fd, b"kept", fd, directories=True)
    assert (tmp_path / "d/old").is_dir() and (tmp_path / "new/made").is_dir() and (tmp_path / "kept/full").is_dir()
