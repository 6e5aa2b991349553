"""What only root can give a path: owners, modes, device nodes, capabilities, inode flags."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.support.observing import observe, opened_folder, run  # noqa: F401


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777, 0o0000, 0o7777, 0o0400])
def test_all_twelve_bits(tmp_path: Path, folder: int, mode: int, as_root: None) -> None:
    path = tmp_path / "d"
    path.mkdir()
    path.chmod(mode)
    assert observe(path, folder).mode == mode


def test_owners_by_number_and_name(tmp_path: Path, folder: int, as_root: None) -> None:
    path = tmp_path / "f"
    path.touch()
    os.chown(path, 54001, 54050)
    entry = observe(path, folder)
    assert (entry.uid, entry.owner, entry.gid, entry.group) == (54001, b"alice", 54050, b"staff")
    os.chown(path, 54999, 54998)
    entry = observe(path, folder)
    assert (entry.uid, entry.owner, entry.gid, entry.group) == (54999, None, 54998, None)


def test_every_kind(tmp_path: Path, folder: int, as_root: None) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to(b"no\xffwhere\n".decode("utf-8", "surrogateescape"))
    os.mkfifo(tmp_path / "p")
    os.mknod(tmp_path / "c", stat.S_IFCHR | 0o600, os.makedev(1, 7))
    os.mknod(tmp_path / "b", stat.S_IFBLK | 0o600, os.makedev(259, 70000))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "s"))
    for letter in "fdlpcbs":
        entry = observe(tmp_path / letter, folder)
        assert entry.kind.value == letter
        assert (entry.target is not None) == (letter == "l")
        assert (entry.device is not None) == (letter in "cb")
        assert entry.sha256 is None and entry.link_group is None
        assert entry.size == 0
    assert observe(tmp_path / "l", folder).target == b"no\xffwhere\n"
    assert observe(tmp_path / "b", folder).device == os.makedev(259, 70000)


def test_attributes_of_a_link_are_its_own(tmp_path: Path, folder: int, as_root: None) -> None:
    (tmp_path / "f").touch()
    os.setxattr(tmp_path / "f", "user.a", b"of the file")
    (tmp_path / "l").symlink_to("f")
    assert observe(tmp_path / "l", folder).xattrs == ()
    os.setxattr(tmp_path / "l", "trusted.a", b"of the link", follow_symlinks=False)
    assert observe(tmp_path / "l", folder).xattrs == ((b"trusted.a", b"of the link"),)


def test_capabilities(tmp_path: Path, folder: int, as_root: None) -> None:
    (tmp_path / "ping").touch()
    run("setcap", "cap_net_raw+ep", tmp_path / "ping")
    ((name, value),) = observe(tmp_path / "ping", folder).xattrs
    assert name == b"security.capability"
    assert int.from_bytes(value[4:8], "little") == 1 << 13  # CAP_NET_RAW, linux/capability.h


@pytest.mark.parametrize(("letter", "bit"), [("i", 0x10), ("a", 0x20), ("d", 0x40), ("A", 0x80), ("S", 0x8)])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_inode_flags(tmp_path: Path, folder: int, as_root: None, letter: str, bit: int, kind: str) -> None:
    path = tmp_path / "x"
    path.mkdir() if kind == "directory" else path.touch()
    assert observe(path, folder).flags & bit == 0
    run("chattr", f"+{letter}", path)
    try:
        assert observe(path, folder).flags == bit
    finally:
        run("chattr", f"-{letter}", path)
    assert observe(path, folder).flags == 0


def test_the_flag_of_a_top_directory(tmp_path: Path, folder: int, as_root: None) -> None:
    (tmp_path / "x").mkdir()
    run("chattr", "+T", tmp_path / "x")
    assert observe(tmp_path / "x", folder).flags == 0x20000
