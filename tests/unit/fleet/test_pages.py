"""The folder of pages: 0700, as open as somebody made it, and only where nobody else may write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.fleet.pages import Pages


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    os.umask(0o022)
    pages = Pages.of(tmp_path / "www")
    pages.write("index.html", b"one")
    pages.write("index.html", b"two")
    assert (tmp_path / "www").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "www/index.html").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "www/index.html").read_bytes() == b"two" and pages.names() == ["index.html"]


def test_an_opened_folder_has_open_pages(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www").chmod(0o750)
    Pages.of(tmp_path / "www").write("a.html", b"")
    assert (tmp_path / "www/a.html").stat().st_mode & 0o777 == 0o640


def test_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("")
    for name in ("shared", "link", "file", "no/where"):
        with pytest.raises(PachaError) as caught:
            Pages.of(tmp_path / name)
        assert caught.value.code == "page-not-written"


def test_leftovers_of_killed_runs_go(tmp_path: Path) -> None:
    for name, old in ((".a.html.01234567", True), (".b.html.01234567", False), (".c.html", True)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1, 1) if old else None)
    Pages.of(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".b.html.01234567", ".c.html"]
