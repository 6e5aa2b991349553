"""The hooks that a master holds: which files are some, and whose they are counting every folder above."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.wire.hook_files import ROOT, Hook, entries, folder_of, hook_of, is_hook_file, owner_of


@pytest.mark.parametrize(
    ("path", "is_directory", "taken"),
    [
        (b"pacha_pre", True, True), (b"pacha_post/a", False, True), (b"pacha_pre", False, False),
        (b"pacha_pre/a", True, False), (b"pacha_pre/a/b", False, False), (b"other", True, False),
        (b"other/a", False, False), (b"", True, False), (b"pacha_prefix/a", False, False),
    ],
)  # fmt: skip
def test_only_files_in_the_two_folders(path: bytes, is_directory: bool, taken: bool) -> None:
    assert is_hook_file(path, is_directory) is taken


def test_a_hook_is_named_by_its_folder_and_its_name() -> None:
    assert hook_of(b"pacha_pre/10-a\xff", 0o755, "root") == Hook("pacha_pre", b"10-a\xff", 0o755, "root")


@pytest.fixture(name="pre")
def hook_folder(tmp_path: Path) -> Path:
    pre = Path(os.fsdecode(folder_of(os.fsencode(tmp_path), "bar"))) / "pacha_pre"
    pre.mkdir(parents=True)
    (pre / "a").touch(0o700)
    return pre


def found(hosts: Path) -> dict[bytes, str]:
    return {path: owner for path, _, owner in entries(os.fsencode(hosts), "bar", {os.geteuid()})}


def test_the_files_that_lie_there_are_found_with_their_modes(tmp_path: Path, pre: Path) -> None:
    (pre / "folder").mkdir()
    os.mkfifo(pre / "pipe")
    assert list(entries(os.fsencode(tmp_path), "bar", {os.geteuid()})) == [(b"pacha_pre/a", 0o700, ROOT)]
    assert list(entries(os.fsencode(tmp_path), "foo", {os.geteuid()})) == []


@pytest.mark.parametrize("place", ["pacha_pre/a", "pacha_pre", "", "..", "../.."])
def test_whoever_may_write_to_it_or_above_it_is_told(tmp_path: Path, pre: Path, place: str) -> None:
    (pre.parent / place).chmod(0o777)
    assert found(tmp_path)[b"pacha_pre/a"] not in ("", ROOT)


def status(mode: int, uid: int = 0, gid: int = 0) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("seen", "is_root"),
    [
        (status(0o755), True), (status(0o775), True), (status(0o775, gid=5), False), (status(0o757), False),
        (status(0o755, uid=7), False),
    ],
)  # fmt: skip
def test_it_is_roots_where_nobody_else_may_write(seen: os.stat_result, is_root: bool) -> None:
    assert (owner_of(status(0o755), seen, trusted={0}) == ROOT) is is_root
    assert (owner_of(seen, status(0o755), trusted={0}) == ROOT) is is_root
