"""What may lie in a host's repository: files and folders, and no link that leads out."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.files.dirfd import DirectoryFds
from pacha.server.repository_tree import check_half_made, check_own


@pytest.fixture(name="store")
def made_store(tmp_path: Path) -> Path:
    store = tmp_path / "etc/.hg/store"
    (store / "data/deep").mkdir(parents=True)
    for name in ("00changelog.i", "data/deep/x.i"):
        (store / name).touch()
    return store


@pytest.fixture(name="descent")
def opened_folder(tmp_path: Path) -> Iterator[DirectoryFds]:
    before = len(os.listdir("/proc/self/fd"))
    with DirectoryFds(os.fsencode(tmp_path)) as descent:
        yield descent
    assert len(os.listdir("/proc/self/fd")) == before


def refused(check: Callable[[DirectoryFds, str], None], descent: DirectoryFds) -> str:
    with pytest.raises(DamagedError) as caught:
        check(descent, "etc")
    assert (caught.value.message + caught.value.why).isprintable()
    return caught.value.code


def test_files_and_folders_and_mercurials_own_locks_are_fine(store: Path, descent: DirectoryFds) -> None:
    (store / "lock").symlink_to("host:1")
    (store.parent / "wlock").symlink_to("host:1")
    check_own(descent, "etc")


@pytest.mark.parametrize("place", ["00manifest.i", "data/deep/\x1b[2J", "data/lock", "../hgrc"])
def test_a_link_or_a_special_file_anywhere_is_refused(store: Path, descent: DirectoryFds, place: str) -> None:
    (store / place).symlink_to("/etc/passwd")
    assert refused(check_own, descent) == "special-file-in-host-folder"
    (store / place).unlink()
    os.mkfifo(store / place)
    assert refused(check_own, descent) == "special-file-in-host-folder"


def test_a_socket_is_refused(store: Path, descent: DirectoryFds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store)  # its name must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        assert refused(check_own, descent) == "special-file-in-host-folder"


@pytest.mark.parametrize("place", ["etc", "etc/.hg"])
def test_a_repository_that_is_a_link_is_refused(tmp_path: Path, store: Path, descent: DirectoryFds, place: str) -> None:
    (tmp_path / place).rename(tmp_path / "moved")
    (tmp_path / place).symlink_to(tmp_path / "moved")
    assert refused(check_own, descent) == "link-in-host-folder"


def test_what_is_not_there_is_the_callers_to_tell(descent: DirectoryFds) -> None:
    with pytest.raises(FileNotFoundError):
        check_own(descent, "etc")


def test_what_is_left_of_making_one_is_told_from_a_history(tmp_path: Path, descent: DirectoryFds) -> None:
    (tmp_path / "etc").mkdir()
    check_half_made(descent, "etc")
    (tmp_path / "etc/.hg/store").mkdir(parents=True)
    (tmp_path / "etc/.hg/00changelog.i").touch()
    check_half_made(descent, "etc")
    (tmp_path / "etc/.hg/store/00changelog.i").touch()
    check_half_made(descent, "etc")
    for more in (".hg/store/00manifest.i", ".hg/store/data", "precious"):
        (tmp_path / "etc" / more).touch()
        assert refused(check_half_made, descent) == "repository-incomplete"
        (tmp_path / "etc" / more).unlink()
