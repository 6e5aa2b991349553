"""Small files and folders, and that what cannot be read says nothing."""

from __future__ import annotations

from pathlib import Path

from pacha.machine import small_files


def test_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b" one \xff\ntwo\n")
    assert small_files.listed(tmp_path) == ["file"]
    assert small_files.content(tmp_path / "file") == b" one \xff\ntwo\n"
    assert small_files.lines(tmp_path / "file") == (" one \udcff", "two")
    assert small_files.first_line(tmp_path / "file") == "one \udcff"


def test_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert small_files.listed(tmp_path / "none") is None and small_files.content(tmp_path) == b""
    assert small_files.lines(tmp_path / "none") == () and small_files.first_line(tmp_path / "empty") == ""
