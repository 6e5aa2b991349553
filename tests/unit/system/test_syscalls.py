"""Names are swapped or given in one instant, and nothing is replaced by the way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.system import syscalls


@pytest.fixture(name="folder")
def opened_folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def can(call: object, *arguments: object) -> None:
    """Do it; skip the test where the file system of the tests does not know how."""
    try:
        call(*arguments)  # type: ignore[operator]
    except OSError as error:
        if error.errno in syscalls.UNSUPPORTED:
            pytest.skip("this file system knows no renameat2")
        raise


def test_two_names_change_places(tmp_path: Path, folder: int) -> None:
    (tmp_path / "file").write_text("file")
    (tmp_path / "sub").mkdir()
    below = os.open(tmp_path / "sub", os.O_RDONLY)
    (tmp_path / "sub" / "other").mkdir()
    can(syscalls.exchange, b"file", folder, b"other", below)
    os.close(below)
    assert (tmp_path / "file").is_dir() and (tmp_path / "sub/other").read_text() == "file"


def test_a_name_that_is_missing_changes_places_with_none(tmp_path: Path, folder: int) -> None:
    (tmp_path / "file").write_text("file")
    with pytest.raises(FileNotFoundError):
        syscalls.exchange(b"file", folder, b"missing", folder)
    assert os.listdir(tmp_path) == ["file"]


def test_a_new_name_replaces_nothing(tmp_path: Path, folder: int) -> None:
    (tmp_path / "file").write_text("file")
    can(syscalls.rename_new, b"file", folder, b"new", folder)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in (b"precious", b"link"):
        with pytest.raises(FileExistsError):
            syscalls.rename_new(b"new", folder, name, folder)
    with pytest.raises(OSError):
        syscalls.rename_new(b"new", folder, b"empty", folder)
    assert (tmp_path / "precious").read_text() == "precious" and (tmp_path / "new").read_text() == "file"


def test_a_file_system_is_synced_and_what_is_no_descriptor_is_an_error(folder: int) -> None:
    syscalls.sync_file_system(folder)
    with pytest.raises(OSError) as caught:
        syscalls.sync_file_system(-1)
    assert caught.value.errno == errno.EBADF


def test_a_library_without_renameat2_is_told_as_a_kernel_without(monkeypatch: pytest.MonkeyPatch, folder: int) -> None:
    monkeypatch.setattr(syscalls, "_libc", object())
    with pytest.raises(OSError) as caught:
        syscalls.exchange(b"a", folder, b"b", folder)
    assert caught.value.errno in syscalls.UNSUPPORTED


CHILD = """
import os, sys, time
from pacha.system import syscalls
parent = os.getpid()
if os.fork() == 0:
    syscalls.end_with_parent(parent)
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_a_child_ends_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline()) > 0
        parent.send_signal(signal.SIGKILL)
        assert parent.stdout.read() == ""  # its end closed by the child's end, too


def test_a_child_whose_parent_ended_before_ends_at_once() -> None:
    child = os.fork()
    if child == 0:
        syscalls.end_with_parent(1 << 30)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


@pytest.mark.parametrize("data", [b"", b"x", memoryview(b"y" * 300_000)])
def test_all_is_written_where_one_call_takes_a_part(monkeypatch: pytest.MonkeyPatch, data: bytes | memoryview) -> None:
    taken = list[bytes]()

    def write(fd: int, rest: bytes | memoryview) -> int:
        taken.append(bytes(rest[:1000]))
        return len(taken[-1])

    monkeypatch.setattr(os, "write", write)
    syscalls.write_all(-1, data)
    assert b"".join(taken) == bytes(data)
