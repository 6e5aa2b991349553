"""All that lstat, extended attributes and inode flags say of a path."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from pacha.files import metadata
from pacha.files.entry import MOST_HOLES, Entry, Holes, Kind
from pacha.system import inode_flags
from tests.support.observing import ACCOUNTS, observe, opened_folder, run  # noqa: F401


def test_a_regular_file(tmp_path: Path, folder: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    path.chmod(0o640)
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    entry = observe(path, folder)
    assert entry == Entry(
        path=os.fsencode(path), kind=Kind.FILE, mode=0o640, uid=os.getuid(), gid=os.getgid(),
        owner=ACCOUNTS.user_name(os.getuid()),
        group=ACCOUNTS.group_name(os.getgid()), mtime_ns=1_234_567_890_123_456_789, size=5, flags=entry.flags,
        project=entry.project,
    )  # fmt: skip
    assert observe(path, folder, with_content=True).sha256 is not None


@pytest.mark.parametrize("mtime_ns", [-1, 0, 1, 999_999_999, 2**31 * 10**9 + 123_456_789, -(10**18) - 1])
def test_every_nanosecond_of_the_time(tmp_path: Path, folder: int, mtime_ns: int) -> None:
    path = tmp_path / "f"
    path.touch()
    os.utime(path, ns=(0, mtime_ns))
    assert observe(path, folder).mtime_ns == path.stat().st_mtime_ns == mtime_ns


def test_a_link_is_not_followed(tmp_path: Path, folder: int) -> None:
    (tmp_path / "l").symlink_to("/etc/passwd")
    entry = observe(tmp_path / "l", folder, with_content=True)
    assert (entry.kind, entry.target, entry.sha256) == (Kind.SYMLINK, b"/etc/passwd", None)


def test_names_of_one_inode_share_a_group(tmp_path: Path, folder: int) -> None:
    (tmp_path / "a").touch()
    os.link(tmp_path / "a", tmp_path / "b")
    (tmp_path / "l").symlink_to("x")
    os.link(tmp_path / "l", tmp_path / "m", follow_symlinks=False)
    (tmp_path / "d/e").mkdir(parents=True)
    entries = {name: observe(tmp_path / name, folder) for name in "ablmd"}
    assert entries["a"].link_group == entries["b"].link_group is not None
    assert entries["l"].link_group == entries["m"].link_group not in (None, entries["a"].link_group)
    assert entries["d"].link_group is None


def test_extended_attributes_are_sorted_and_whole(tmp_path: Path, folder: int) -> None:
    path = tmp_path / "f"
    path.touch()
    values = {"user.b": b"", "user.a": bytes(range(256)), "user.\u00e9\n": b"x" * 1000}
    try:
        for name, value in values.items():
            os.setxattr(path, name, value)
    except OSError as error:
        assert error.errno == errno.ENOTSUP
        pytest.skip("the file system of the tests has no extended attributes")
    assert observe(path, folder).xattrs == tuple(sorted((os.fsencode(n), v) for n, v in values.items()))


def test_access_control_lists(tmp_path: Path, folder: int) -> None:
    (tmp_path / "d").mkdir()
    run("setfacl", "-d", "-m", "u:54001:r", tmp_path / "d")
    xattrs = dict(observe(tmp_path / "d", folder).xattrs)
    assert xattrs.keys() == {b"system.posix_acl_default"}
    run("setfacl", "-m", "u:54001:rwx", tmp_path / "d")
    xattrs = dict(observe(tmp_path / "d", folder).xattrs)
    assert xattrs.keys() == {b"system.posix_acl_access", b"system.posix_acl_default"}
    assert struct.pack("<HHI", 2, 7, 54001) in xattrs[b"system.posix_acl_access"]


@pytest.mark.timeout(10)
def test_what_is_no_file_any_more_is_neither_followed_nor_waited_for(tmp_path: Path, folder: int) -> None:
    """It was a file when its lstat was taken."""
    (tmp_path / "f").touch()
    status = os.lstat(tmp_path / "f")
    os.mkfifo(tmp_path / "p")
    (tmp_path / "l").symlink_to("p")
    entry = metadata.from_stat(status, b"p", folder, b"/p", ACCOUNTS)
    assert (entry.flags, entry.project, entry.xattrs) == (0, None, ())
    for name in (b"l", b"none"):
        with pytest.raises(OSError, match=r"No such file|symbolic links"):
            metadata.from_stat(status, name, folder, b"/" + name, ACCOUNTS)


def test_flags_that_cannot_be_read_stay_as_they_were_known(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").touch()
    failures = [errno.ENOTTY, errno.EIO]

    def fails(fd: int) -> int:
        raise OSError(failures[0], os.strerror(failures[0]))

    monkeypatch.setattr(inode_flags, "flags", fails)
    known, unread = observe(tmp_path / "f", folder)._replace(flags=0x80), metadata.Unread()
    assert metadata.observe(b"f", folder, b"/f", ACCOUNTS, unread).flags == 0 and not unread
    failures.pop(0)
    entry = metadata.observe(b"f", folder, b"/f", ACCOUNTS, unread)
    kept, (concern,) = metadata.keep_attributes(entry, known, unread)
    assert kept.flags == 0x80 and "its inode flags cannot be read: Input/output error" in concern.reason
    with pytest.raises(OSError, match="Input/output"):
        metadata.observe(b"f", folder, b"/f", ACCOUNTS)


def test_what_is_not_there(tmp_path: Path, folder: int) -> None:
    with pytest.raises(FileNotFoundError):
        observe(tmp_path / "none", folder)


def test_a_file_system_without_attributes() -> None:
    folder = os.open("/proc/self", os.O_RDONLY | os.O_DIRECTORY)
    try:
        entry = metadata.observe(b"status", folder, b"/proc/self/status", ACCOUNTS)
        assert (entry.kind, entry.xattrs, entry.flags) == (Kind.FILE, (), 0)
    finally:
        os.close(folder)


@pytest.mark.parametrize(
    ("how", "holes"),
    [
        ("written", ()),
        ("reserved", ()),
        ("a hole", ((0, 1 << 20),)),
        ("a hole at the end", ((1 << 20, 1 << 20),)),
        ("small", None),
    ],
)
def test_whether_a_file_has_holes(tmp_path: Path, folder: int, how: str, holes: Holes | None) -> None:
    with open(tmp_path / "f", "wb") as stream:
        if how == "reserved":
            os.posix_fallocate(stream.fileno(), 0, 1 << 20)
        elif how == "small":
            os.truncate(tmp_path / "f", 60_000)
        else:
            stream.seek(1 << 20 if how == "a hole" else 0)
            stream.write(bytes(1 << 20))
            stream.flush()
            os.truncate(tmp_path / "f", 2 << 20 if how == "a hole at the end" else stream.tell())
    assert observe(tmp_path / "f", folder).holes == holes


def test_the_last_hole_of_a_bounded_number_stands_for_the_rest(tmp_path: Path, folder: int) -> None:
    with open(tmp_path / "f", "wb") as stream:
        for number in range(400):
            os.pwrite(stream.fileno(), b"data", number * 65536)
    holes = observe(tmp_path / "f", folder).holes
    assert holes is not None
    assert holes[:2] == ((4096, 61440), (69632, 61440))
    assert len(holes) == MOST_HOLES
    assert sum(holes[-1]) == 399 * 65536 + 4


def test_a_file_system_that_answers_nonsense_leaves_holes_unknown(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").touch()
    os.truncate(tmp_path / "f", 1 << 20)
    monkeypatch.setattr(os, "lseek", lambda fd, offset, whence: 0)
    assert observe(tmp_path / "f", folder).holes is None
