"""Walking trees that only root can make: every kind, other owners, shut doors, mount points."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.files import mount_points
from pacha.files.entry import Kind
from pacha.system.mounts import mounts
from tests.support.fuse import FaultyFolder, mounted_at
from tests.support.scanning import Host, empty_tree, no_wait, paths, reasons, watch  # noqa: F401


def test_every_kind(tree: Path, as_root: None) -> None:
    (tree / "d/empty").mkdir(parents=True)
    (tree / "d/f").write_bytes(b"x")
    (tree / "l").symlink_to("nowhere")
    os.mkfifo(tree / "p")
    os.mknod(tree / "c", stat.S_IFCHR | 0o600, os.makedev(1, 7))
    os.mknod(tree / "b", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tree / "s"))
    (tree / ".pacha-0123456789abcdef").touch()
    (tree / ".pacha-kept-1").mkdir()
    found = Host(watch(tree)).scan()
    assert paths(found, tree) == {"", "d", "d/empty", "d/f", "l", "p", "c", "b"}
    assert found.left_out == {os.fsencode(tree / "s"): "a socket"}
    assert found.to_read == {os.fsencode(tree / "d/f")}
    assert not found.concerns
    assert found.entries[os.fsencode(tree)].kind is Kind.DIRECTORY


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("change", ["chmod", "chown", "xattr", "rename over", "touch"])
def test_a_change_of_metadata_alone_is_seen(tree: Path, change: str, as_root: None) -> None:
    path = tree / "deep/er/f"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"same")
    (tree / "other").write_bytes(b"same")
    os.utime(path, ns=(9, 9))
    os.utime(tree / "other", ns=(9, 9))
    host = Host(watch(tree))
    host.push()
    before = host.entries[os.fsencode(path)]
    time.sleep(0.02)
    if change == "chmod":
        path.chmod(0o600)
    elif change == "chown":
        os.chown(path, 54001, 54050)
    elif change == "xattr":
        os.setxattr(path, "user.a", b"1")
    elif change == "touch":
        os.utime(path, ns=(9, 10))
    else:
        os.rename(tree / "other", path)
    found = host.push()
    after = found.entries[os.fsencode(path)]
    assert not found.to_read
    assert (after != before) is (change != "rename over")
    assert after.sha256 == before.sha256 and after.stored == before.stored


@pytest.mark.usefixtures("as_root")
def test_what_another_user_cannot_read_is_named_and_what_was_known_is_kept(open_folder: Path, settled: None) -> None:
    tree = open_folder
    for directory in ("open", "shut", "new"):
        (tree / directory).mkdir(mode=0o755)
        (tree / directory / "f").write_bytes(b"x")
    (tree / "secret").write_bytes(b"x")
    known = Host(watch(tree))
    known.push()
    del known.entries[os.fsencode(tree / "new/f")]
    time.sleep(0.02)
    for path in (tree / "shut", tree / "new", tree / "secret"):
        path.chmod(0)
    os.seteuid(65534)
    try:
        found = known.scan()
    finally:
        os.seteuid(0)
    assert paths(found, tree) == {"", "open", "open/f", "shut", "shut/f", "new", "secret"}
    assert reasons(found) == dict.fromkeys(
        (os.fsencode(tree / name) for name in ("shut", "new", "secret")), "Permission denied"
    )
    assert found.entries[os.fsencode(tree / "secret")] == known.entries[os.fsencode(tree / "secret")]
    assert found.entries[os.fsencode(tree / "shut")].mode == 0
    assert os.fsencode(tree / "secret") not in found.fingerprints


@pytest.mark.usefixtures("as_root")
def test_names_of_one_file_behind_a_shut_door_stay_one_file(open_folder: Path, settled: None) -> None:
    tree = open_folder
    (tree / "d").mkdir()
    (tree / "d/a").write_bytes(b"x")
    os.link(tree / "d/a", tree / "d/b")
    os.link(tree / "d/a", tree / "c")
    host = Host(watch(tree))
    host.push()
    (tree / "d").chmod(0)
    os.seteuid(65534)
    try:
        found = host.scan()
    finally:
        os.seteuid(0)
    groups = {name: found.entries[os.fsencode(tree / name)].link_group for name in ("d/a", "d/b", "c")}
    assert len(set(groups.values())) == 1 and None not in groups.values()


@pytest.fixture
def mounted(tree: Path, as_root: None) -> Iterator[Path]:
    mount = shutil.which("mount")
    (tree / "mnt").mkdir(mode=0o700)
    made = mount and subprocess.run([mount, "-t", "tmpfs", "none", tree / "mnt"], capture_output=True, check=False)
    if not made or made.returncode:
        if os.environ.get("CI"):
            pytest.fail("no file system can be mounted here, and CI is set")
        pytest.skip("no file system can be mounted here")
    try:
        (tree / "mnt/deep").mkdir()
        (tree / "mnt/deep/f").touch()
        yield tree
    finally:
        subprocess.run(["umount", tree / "mnt"], check=True)


def test_another_file_system_is_entered_unless_told_not_to(mounted: Path) -> None:
    assert paths(Host(watch(mounted)).scan(), mounted) == {"", "mnt", "mnt/deep", "mnt/deep/f"}
    found = Host(watch(mounted, one_filesystem=True)).scan()
    assert paths(found, mounted) == {"", "mnt"} and not found.concerns
    assert "pacha.one.filesystem" in found.left_out[os.fsencode(mounted / "mnt")]
    inside = Host(watch(mounted / "mnt", one_filesystem=True)).scan()
    assert paths(inside, mounted) == {"mnt", "mnt/deep", "mnt/deep/f"}, "a mount point may itself be watched"


@pytest.mark.usefixtures("settled")
def test_whether_it_is_entered_is_asked_anew_where_nothing_else_differs(mounted: Path) -> None:
    there, host = os.fsencode(mounted / "mnt"), Host()
    for one_filesystem in (False, True, True, False, False):
        host.watches = (watch(mounted, one_filesystem=one_filesystem),)
        found = host.push()
        assert (there in found.left_out) is one_filesystem
        assert paths(found, mounted) == {"", "mnt", *(() if one_filesystem else ("mnt/deep", "mnt/deep/f"))}


def unmount(place: Path) -> None:
    subprocess.run(["umount", place], check=True)


def mount(place: Path, *source: str | Path) -> None:
    """Mount a new file system on ``place``, or bind ``source`` to it."""
    subprocess.run(["mount", *(("--bind", *source) if source else ("-t", "tmpfs", "none")), place], check=True)


@pytest.mark.parametrize("watched", ["", "mnt", "mnt/deep"])
@pytest.mark.parametrize("left", ["an empty folder", "a stray file", "an empty copy", "nothing"])
def test_a_volume_that_is_not_mounted_today_has_lost_nothing(mounted: Path, watched: str, left: str) -> None:
    (mounted / "mnt/deep/f").write_bytes(b"x")
    host = Host(watch(mounted / watched))
    host.push()
    before = dict(host.entries)
    unmount(mounted / "mnt")
    if left == "a stray file":
        (mounted / "mnt/stray").touch()
    elif left == "an empty copy" and watched == "mnt/deep":
        (mounted / "mnt/deep").mkdir()
    elif left == "nothing":
        (mounted / "mnt").rmdir()
    for _ in range(2):
        found = host.push()
        kept = {path: found.entries.get(path) for path in before if path != os.fsencode(mounted)}
        assert kept.items() <= before.items() and len(found.concerns) == 1 and found.entries.keys() == before.keys()
    (mounted / "mnt").mkdir(exist_ok=True)
    mount(mounted / "mnt")
    (mounted / "mnt/deep").mkdir()
    (mounted / "mnt/deep/f").write_bytes(b"x")
    found = host.push()
    assert found.entries.keys() == before.keys() and not found.concerns


@pytest.mark.parametrize("then", ["a person says so", "its files were moved", "it was empty", "excluded"])
def test_a_volume_that_is_gone_with_a_right(mounted: Path, then: str) -> None:
    host = Host(watch(mounted))
    if then == "it was empty":
        shutil.rmtree(mounted / "mnt/deep")
    host.push()
    unmount(mounted / "mnt")
    if then == "a person says so":
        host.mounted = set()
    elif then == "its files were moved":
        (mounted / "mnt/deep").mkdir()
    elif then == "excluded":
        (mounted / "mnt").rmdir()
        host.watches = (watch(mounted, exclude=("mnt",)),)
    found = host.push()
    assert not found.concerns and os.fsencode(mounted / "mnt/deep/f") not in found.entries
    assert not {path for path in host.mounted if path.startswith(os.fsencode(mounted))}
    (mounted / "mnt").mkdir(exist_ok=True)
    mount(mounted / "mnt")


def test_a_folder_that_is_bound_there_counts_as_well(mounted: Path) -> None:
    (mounted.parent / "other").mkdir()
    (mounted.parent / "other/f").write_bytes(b"x")
    (mounted / "bound").mkdir()
    mount(mounted / "bound", mounted.parent / "other")
    host = Host(watch(mounted))
    try:
        host.push()
    finally:
        unmount(mounted / "bound")
    found = host.push()
    assert os.fsencode(mounted / "bound/f") in found.entries and list(reasons(found)) == [
        os.fsencode(mounted / "bound")
    ]


def test_a_name_that_is_listed_and_that_nobody_can_look_up_is_named(tree: Path, as_root: None) -> None:
    """As in an encrypted folder without its key."""
    (tree / "mnt").mkdir()
    folder = FaultyFolder(files={b"one": b"1", b"two": b"2"})
    lost = os.fsencode(tree / "mnt/two")
    host = Host(watch(tree))
    with mounted_at(folder, tree / "mnt"):
        host.push()
        before = dict(host.entries)
        folder.faults["lookup", b"two"] = errno.ENOENT
        assert os.listdir(tree / "mnt") == ["one", "two"] and not os.path.lexists(lost)
        found = host.push()
        assert found.entries == before and reasons(found).keys() == {lost}
        del host.entries[lost]
        found = host.scan()
        assert lost not in found.entries and reasons(found).keys() == {lost}, "it was never known"


@pytest.mark.parametrize("error", [errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ELOOP])
@pytest.mark.parametrize("fault", [("lookup", b"two"), ("list", b""), ("open", b"")])
def test_no_other_error_of_looking_removes_anything(
    tree: Path, as_root: None, fault: tuple[str, bytes], error: int
) -> None:
    (tree / "mnt").mkdir()
    folder = FaultyFolder(files={b"one": b"1", b"two": b"2"})
    host = Host(watch(tree))
    with mounted_at(folder, tree / "mnt"):
        host.push()
        before = dict(host.entries)
        folder.faults[fault] = error
        found = host.push()
    assert found.entries == before and len(found.concerns) == 1


@pytest.mark.parametrize("one_filesystem", [True, False])
def test_what_the_kernel_makes_up_is_never_entered_and_named(mounted: Path, one_filesystem: bool) -> None:
    """As in a jail below a watched path: /proc/kcore is as large as the address space."""
    for name in ("proc", "sys"):
        (mounted / name).mkdir()
        subprocess.run(["mount", "-t", f"{name}fs" if name == "sys" else name, "none", mounted / name], check=True)
    (mounted / "cmdline").touch()
    mount(mounted / "cmdline", "/proc/cmdline")
    host = Host(watch(mounted, one_filesystem=one_filesystem))
    try:
        found = host.push()
        again = host.push()
        excluded = Host(watch(mounted, exclude=("sys",))).scan()
        inside = Host(watch(mounted / "proc/sys")).scan()
    finally:
        for name in ("proc", "sys", "cmdline"):
            unmount(mounted / name)
    assert {"proc", "sys"} <= paths(found, mounted) <= {"", "mnt", "mnt/deep", "mnt/deep/f", "proc", "sys"}
    others = ["mnt"] * one_filesystem
    assert found.left_out.keys() == {os.fsencode(mounted / name) for name in ("proc", "sys", "cmdline", *others)}
    assert "(proc)" in found.left_out[os.fsencode(mounted / "proc")] and not found.concerns
    assert again.entries == found.entries
    assert os.fsencode(mounted / "sys") not in excluded.left_out
    assert not inside.entries and "(proc)" in reasons(inside)[os.fsencode(mounted / "proc/sys")]


def test_what_the_kernel_says_of_its_file_system_is_not_of_the_folder(
    mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As systemd does: it gives control groups attributes that are others after each boot."""
    (mounted / "mnt").chmod(0o755)
    os.setxattr(mounted / "mnt", "trusted.invocation_id", b"1")
    there = os.fsencode(mounted / "mnt")
    found = [replace(one, kind=b"cgroup2") if one.path == there else one for one in mounts()]
    monkeypatch.setattr(mount_points, "mounts", lambda: iter(found))
    kept = Host(watch(mounted)).scan().entries[there]
    assert (kept.kind, kept.mode, kept.xattrs) == (Kind.DIRECTORY, 0o755, ())


@pytest.mark.parametrize(
    ("fault", "error", "named"),
    [
        ("getxattr", errno.EOPNOTSUPP, "user.a"), ("getxattr", errno.EIO, "user.a"),
        ("getxattr", errno.ENODATA, "user.a"), ("listxattr", errno.EIO, "names"), ("listxattr", errno.E2BIG, "names"),
    ],
)  # fmt: skip
def test_an_attribute_that_cannot_be_read_is_named_and_all_else_is_kept(
    tree: Path, as_root: None, settled: None, fault: str, error: int, named: str
) -> None:
    (tree / "mnt").mkdir()
    folder = FaultyFolder(files={b"one": b"1", b"two": b"2"}, xattrs={b"one": {b"user.a": b"A"}})
    one, host = os.fsencode(tree / "mnt/one"), Host(watch(tree))
    with mounted_at(folder, tree / "mnt"):
        fresh = Host(watch(tree))
        host.push()
        folder.faults[fault, b"one"] = error
        folder.files[b"one"] = b"changed"
        for _ in range(2):
            found = host.push()
            assert found.entries[one].size == 7 and found.entries[one].xattrs == ((b"user.a", b"A"),)
            assert reasons(found).keys() == {one} and named in reasons(found)[one] and one not in found.fingerprints
        first = fresh.push()
        assert first.entries[one].size == 7 and first.entries[one].xattrs == () and reasons(first).keys() == {one}
        del folder.faults[fault, b"one"]
        folder.xattrs = {}
        found = host.push()
    assert found.entries[one].xattrs == () and not found.concerns


def test_an_attribute_that_is_removed_while_it_is_read_is_gone(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "f").touch()
    os.setxattr(tree / "f", "user.a", b"A")
    real = os.getxattr

    def getxattr(*arguments: object, **more: object) -> bytes:
        os.removexattr(tree / "f", "user.a")
        return real(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "getxattr", getxattr)
    found = Host(watch(tree)).scan()
    assert found.entries[os.fsencode(tree / "f")].xattrs == () and not found.concerns


@pytest.mark.parametrize("exclude", ["cloud", "/home/*/cloud", "cloud/", "**/cloud"])
def test_what_is_excluded_is_not_looked_at(tree: Path, as_root: None, exclude: str) -> None:
    """As a user's FUSE file system in a home, which is closed to root."""
    (tree / "home/u/cloud").mkdir(parents=True)
    cloud = os.fsencode(tree / "home/u/cloud")
    rules = (f"{tree}{exclude}" if exclude.startswith("/") else exclude,)
    with mounted_at(FaultyFolder(files={b"one": b"1"}), tree / "home/u/cloud", user=65534):
        assert reasons(Host(watch(tree)).scan()) == {cloud: "Permission denied"}
        found = Host(watch(tree, exclude=rules)).scan()
    assert paths(found, tree) == {"", "home", "home/u"} and not found.concerns and not found.left_out


def test_another_file_system_that_cannot_be_looked_at_is_named_once_where_only_one_counts(
    tree: Path, as_root: None
) -> None:
    (tree / "cloud").mkdir()
    host = Host(watch(tree, one_filesystem=True))
    host.push()
    known = host.entries[os.fsencode(tree / "cloud")]
    with mounted_at(FaultyFolder(), tree / "cloud", user=65534):
        found = host.push()
    assert not found.concerns and found.left_out.keys() == {os.fsencode(tree / "cloud")}
    assert found.entries[os.fsencode(tree / "cloud")] == known
