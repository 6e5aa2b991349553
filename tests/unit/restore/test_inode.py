"""The attributes of one inode, by its descriptor: what was given, what could not be, and never a wider window."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacha.files.entry import Kind
from pacha.restore import inode
from pacha.restore.ownership import Attributes


@pytest.fixture(name="fd")
def opened_folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "f").write_text("f")
    (tmp_path / "l").symlink_to("f")
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def failing(number: int) -> Callable[..., None]:
    """A system call that gives this error."""

    def call(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def wanted(mode: int, *xattrs: tuple[bytes, bytes]) -> Attributes:
    return Attributes(os.geteuid(), os.getegid(), mode, 1_000_000_007, xattrs)


def test_an_inode_is_held_whatever_comes_to_its_name(tmp_path: Path, fd: int) -> None:
    with inode.open_inode(b"f", fd) as (reference, status):
        (tmp_path / "f").rename(tmp_path / "moved")
        (tmp_path / "f").symlink_to("precious")
        (tmp_path / "precious").touch(0o600)
        assert inode.set_attributes(reference, Kind.FILE, wanted(0o4711)) == []
    assert stat.S_IMODE((tmp_path / "moved").stat().st_mode) == 0o4711
    assert (tmp_path / "moved").stat().st_ino == status.st_ino
    assert stat.S_IMODE((tmp_path / "precious").stat().st_mode) == 0o600


def test_a_link_is_dressed_itself(tmp_path: Path, fd: int) -> None:
    before = (tmp_path / "f").stat()
    with inode.open_inode(b"l", fd) as (reference, status):
        assert stat.S_ISLNK(status.st_mode)
        assert inode.change_attributes(reference, status, wanted(0o777)) == []
    assert (tmp_path / "l").lstat().st_mtime_ns == 1_000_000_007
    assert (tmp_path / "f").stat().st_mtime_ns == before.st_mtime_ns


def test_a_live_inode_gets_what_it_is_to_have_and_loses_the_rest(tmp_path: Path, fd: int) -> None:
    try:
        os.setxattr(tmp_path / "f", "user.old", b"1")
    except OSError:
        pytest.skip("the file system of the tests has no attributes")
    os.utime(tmp_path / "f", ns=(5, 6))
    with inode.open_inode(b"f", fd) as (reference, status):
        assert inode.change_attributes(reference, status, wanted(0o2750, (b"user.new", b"2"))) == []
        assert inode.read_xattrs(reference) == ((b"user.new", b"2"),)
    after = (tmp_path / "f").stat()
    assert (stat.S_IMODE(after.st_mode), after.st_mtime_ns, after.st_atime_ns) == (0o2750, 1_000_000_007, 5)


def test_only_the_time_is_stamped(tmp_path: Path, fd: int) -> None:
    os.utime(tmp_path / "f", ns=(5, 6))
    with inode.open_inode(b"f", fd) as (reference, status):
        assert inode.stamp(reference, status, 7) == []
    after = (tmp_path / "f").stat()
    assert (after.st_atime_ns, after.st_mtime_ns, after.st_mode) == (5, 7, status.st_mode)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EINVAL])
def test_what_cannot_be_given_is_told_and_then_the_mode_is_private(
    tmp_path: Path, fd: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "chown", failing(number))
    with inode.open_inode(b"f", fd) as (reference, _):
        (trouble,) = inode.set_attributes(reference, Kind.FILE, wanted(0o4755))
    assert trouble.startswith("owner") and str(tmp_path) not in trouble
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o700


@pytest.mark.parametrize("is_new", [True, False])
def test_without_its_acl_a_file_is_its_owners_alone(tmp_path: Path, fd: int, is_new: bool) -> None:
    """The bits of the group are the mask of the ACL: without it they let in a group that it kept out."""
    given = wanted(0o775, (b"system.posix_acl_access", b"no ACL"))
    with inode.open_inode(b"f", fd) as (reference, status):
        if is_new:
            (trouble,) = inode.set_attributes(reference, Kind.FILE, given)
        else:
            (trouble,) = inode.change_attributes(reference, status, given)
    assert trouble.startswith("system.posix_acl_access not set")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o700


def test_with_an_acl_that_it_inherited_a_file_is_its_owners_alone(
    tmp_path: Path, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "removexattr", failing(errno.EPERM))
    with inode.open_inode(b"f", fd) as (reference, _):
        (trouble,) = inode.set_attributes(reference, Kind.FILE, wanted(0o775))
    assert trouble.startswith("system.posix_acl_access")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o700


def test_who_gets_a_file_gets_at_no_instant_more_of_it_than_in_the_end(
    tmp_path: Path, fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "chown", lambda *arguments: seen.append((tmp_path / "f").stat().st_mode & 0o7777))
    (tmp_path / "f").chmod(0o6775)
    with inode.open_inode(b"f", fd) as (reference, status):
        assert inode.change_attributes(reference, status, wanted(0o4750)._replace(uid=os.geteuid() + 1)) == []
    assert seen == [0o750]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_at_fault_stops_it(fd: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "chmod", failing(number))
    with inode.open_inode(b"f", fd) as (reference, status), pytest.raises(OSError):
        inode.change_attributes(reference, status, wanted(0o600))


@pytest.mark.parametrize("user", [0, 4242])
def test_a_quota_that_is_used_up_is_one_accounts_for_root_and_the_disk_for_a_user(
    fd: int, monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    monkeypatch.setattr(os, "chown", failing(errno.EDQUOT))
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with inode.open_inode(b"f", fd) as (reference, _):
        if user:
            with pytest.raises(OSError):
                inode.set_attributes(reference, Kind.FILE, wanted(0o644))
        else:
            assert inode.set_attributes(reference, Kind.FILE, wanted(0o644)) == ["owner not set: disk quota exceeded"]
            assert stat.S_IMODE(os.stat(reference).st_mode) == 0o600


def test_an_attribute_without_room_is_told_by_its_length(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "setxattr", failing(errno.ENOSPC))
    given = wanted(0o644, (b"user.long", b"x" * 9999))
    with inode.open_inode(b"f", fd) as (reference, _):
        assert inode.set_attributes(reference, Kind.FILE, given) == ["user.long not set: no room for its 9999 bytes"]


def test_a_time_that_no_file_can_have_is_told(fd: int) -> None:
    with inode.open_inode(b"f", fd) as (reference, status):
        assert len(inode.stamp(reference, status, 2**100)) == 1
