"""A path is reached through descriptors: no link is followed, and none of them is left open."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.files import dirfd
from pacha.files.dirfd import READ, DirectoryFds, open_to_read


def listed(fd: int) -> list[str]:
    return sorted(os.listdir(fd))


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(name="root")
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for place in ("a/b/one", "a/c/two", "d/three"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(place)
    return root


def test_requests_in_any_order_reach_their_directory(root: Path) -> None:
    with DirectoryFds(os.fsencode(root)) as descent:
        for relative, names in [
            (b"a/b", ["one"]), (b"a/c", ["two"]), (b"d", ["three"]), (b"", ["a", "d"]), (b"a", ["b", "c"]),
            (b"a/b", ["one"]),
        ]:  # fmt: skip
            assert listed(descent.directory(relative)) == names


def test_the_parent_of_a_file_and_its_name(root: Path) -> None:
    with DirectoryFds(os.fsencode(root)) as descent:
        fd, name = descent.parent(b"a/b/one")
        with open(os.open(name, READ, dir_fd=fd), "rb") as stream:
            assert stream.read() == b"a/b/one"
        fd, name = descent.parent(b"a")
        assert (listed(fd), name) == (["a", "d"], b"a")


def test_a_link_is_not_followed_wherever_it_stands(root: Path) -> None:
    (root / "link").symlink_to("a")
    (root / "d" / "up").symlink_to("..")
    with DirectoryFds(os.fsencode(root)) as descent:
        for relative in (b"link", b"link/b", b"d/up", b"d/up/a"):
            with pytest.raises(OSError) as caught:
                descent.directory(relative)
            assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
        assert listed(descent.directory(b"a/b")) == ["one"]  # a failure does not lead it astray


def test_the_root_itself_may_be_a_link(root: Path) -> None:
    (root.parent / "link").symlink_to("root")
    with DirectoryFds(os.fsencode(root.parent / "link")) as descent:
        assert listed(descent.directory(b"d")) == ["three"]


def test_a_path_may_be_longer_than_path_max(tmp_path: Path) -> None:
    name, depth = b"n" * 250, 20
    with DirectoryFds(os.fsencode(tmp_path)) as descent:
        for level in range(depth):
            os.mkdir(name, dir_fd=descent.directory(b"/".join([name] * level)))
        deepest = b"/".join([name] * depth)
        assert len(deepest) > os.pathconf(tmp_path, "PC_PATH_MAX")
        assert listed(descent.directory(deepest)) == []
    for _ in range(depth):  # what removes a test's folder cannot reach it
        with DirectoryFds(os.fsencode(tmp_path)) as descent:
            depth -= 1
            os.rmdir(name, dir_fd=descent.directory(b"/".join([name] * depth)))


def test_every_descriptor_is_closed_even_after_a_failure(root: Path) -> None:
    before = open_descriptors()
    with DirectoryFds(os.fsencode(root)) as descent:
        descent.directory(b"a/b")
        with pytest.raises(FileNotFoundError):
            descent.directory(b"a/c/missing")
    assert open_descriptors() == before


def test_gone_is_what_its_directory_does_not_list(root: Path) -> None:
    (root / "link").symlink_to("a")
    with DirectoryFds(os.fsencode(root)) as descent:
        for relative, gone in [
            (b"a/b/one", False), (b"a/b/none", True), (b"none/b/one", True), (b"d/three/below", True),
            (b"link/b/one", True), (b"a", False), (b"n" * 300, True), (b"a/" + b"n" * 300 + b"/x", True),
        ]:  # fmt: skip
            assert descent.is_gone(relative) is gone, relative


def test_what_cannot_be_looked_at_is_not_gone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DirectoryFds(os.fsencode(root)) as descent:

        def refuse(*arguments: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(descent, "directory", refuse)
        assert not descent.is_gone(b"a/b/none")


#: Takes a write lease, as a file server does, and gives it up when somebody asks and a line was read.
HOLDER = """
import fcntl, os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.sigwait([signal.SIGIO])
print("asked", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(name="leased")
def file_with_a_lease(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLDER, str(root / "a/b/one")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        yield holder
        holder.kill()


def test_a_lease_is_waited_for(root: Path, leased: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(seconds: float) -> None:
        assert leased.stdout is not None and leased.stdout.readline() == b"asked\n"
        assert leased.stdin is not None and leased.stdin.write(b"\n")
        leased.stdin.flush()
        leased.wait()  # without a time limit, as that would sleep as well

    monkeypatch.setattr(dirfd.time, "sleep", sleep)
    fd = open_to_read(os.fsencode(root / "a/b/one"), -1)
    assert os.read(fd, 100) == b"a/b/one" and leased.returncode == 0
    os.close(fd)


def test_not_for_ever(root: Path, leased: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirfd, "_LONGEST_LEASE", 0.1)
    with pytest.raises(BlockingIOError, match="lease"):
        open_to_read(os.fsencode(root / "a/b/one"), -1)


@pytest.mark.timeout(20)
def test_nobody_waits_for_a_fifo(root: Path) -> None:
    os.mkfifo(root / "fifo")
    os.close(open_to_read(os.fsencode(root / "fifo"), -1))


def test_a_folder_that_was_missing_half_way_leaves_no_other_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with DirectoryFds(os.fsencode(tmp_path)) as descent:
        with pytest.raises(FileNotFoundError):
            descent.directory(b"a/none")
        assert os.listdir(descent.directory(b"")) == ["a"]
