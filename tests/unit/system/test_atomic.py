"""A file is replaced at once or not at all, and what is private is so from the beginning."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacha.system.atomic import replace_file, replace_in, write_private


@pytest.fixture(autouse=True, params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever the umask is."""
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("wanted", [0o600, 0o644, 0o640])
def test_a_new_file_has_the_data_and_the_mode(tmp_path: Path, wanted: int) -> None:
    replace_file(tmp_path / "f", b"new", mode=wanted)
    assert (tmp_path / "f").read_bytes() == b"new" and mode(tmp_path / "f") == wanted
    assert os.listdir(tmp_path) == ["f"]


def test_who_reads_the_old_file_goes_on_reading_it(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o666)
    with open(tmp_path / "f", "rb") as reader:
        replace_file(tmp_path / "f", b"new")
        assert reader.read() == b"old"
    assert (tmp_path / "f").read_bytes() == b"new" and mode(tmp_path / "f") == 0o600


def test_a_link_is_replaced_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "f").symlink_to("precious")
    replace_file(tmp_path / "f", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious" and not (tmp_path / "f").is_symlink()


def test_without_overwrite_nothing_is_replaced(tmp_path: Path) -> None:
    replace_file(tmp_path / "f", b"first", overwrite=False)
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("f", "link"):
        with pytest.raises(FileExistsError):
            replace_file(tmp_path / name, b"second", overwrite=False)
    assert (tmp_path / "f").read_bytes() == b"first"
    assert sorted(os.listdir(tmp_path)) == ["f", "link"]


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "f").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        replace_file(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "missing" / "f", b"new")


def test_a_private_file_is_its_owners_alone_and_written_over(tmp_path: Path) -> None:
    write_private(tmp_path / "f", b"a longer text")
    write_private(str(tmp_path / "f"), b"short")
    assert (tmp_path / "f").read_bytes() == b"short" and mode(tmp_path / "f") == 0o600


def test_a_private_file_is_written_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "f").symlink_to("precious")
    with pytest.raises(OSError):
        write_private(tmp_path / "f", b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_in_an_open_folder_is_replaced_too(tmp_path: Path, durable: bool) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "f").symlink_to("precious")
    (tmp_path / "folder").mkdir()
    folder = os.open(tmp_path, os.O_RDONLY)
    replace_in(folder, "f", b"new", mode=0o640, durable=durable)
    with pytest.raises(OSError):
        replace_in(folder, "folder", b"new", durable=durable)
    os.close(folder)
    assert (tmp_path / "f").read_bytes() == b"new" and mode(tmp_path / "f") == 0o640
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert sorted(os.listdir(tmp_path)) == ["f", "folder", "precious"]


@pytest.mark.parametrize("write", [replace_file, write_private])
def test_a_full_disk_is_told_with_the_name_of_the_file(write: Callable[[Path, bytes], None]) -> None:
    """/dev/full is one; write(2) itself tells no name."""
    place = Path("/dev/full")
    with pytest.raises(OSError) as caught:
        write(place / "f" if write is replace_file else place, b"new")
    assert str(caught.value.filename) == str(place / "f" if write is replace_file else place)
