"""Small files and folders, and that what cannot be read says nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("text", ["", "uninitialized\n", "A" * 32, "a" * 31, "a" * 33, "\xff" * 32])
def test_what_is_no_machine_id(tmp_path: Path, text: str) -> None:
    assert small_files.machine_id(tmp_path) == ""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text(text, "latin-1")
    assert small_files.machine_id(tmp_path) == ""


def test_a_machine_id_that_is_mounted_for_this_boot_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("a" * 32 + "\n")
    assert small_files.machine_id(tmp_path) == "a" * 32
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    assert small_files.machine_id(tmp_path) == ""
