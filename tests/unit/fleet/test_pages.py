"""The folder of pages: 0700, as open as somebody made it, and only where nobody else may write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.fleet.pages import opened


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    os.umask(0o022)
    with opened(tmp_path / "www") as pages:
        pages.write("index.html", b"one")
        pages.write("index.html", b"two")
        assert pages.names() == ["index.html"]
    assert (tmp_path / "www").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "www/index.html").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "www/index.html").read_bytes() == b"two"


def test_an_opened_folder_has_open_pages(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www").chmod(0o750)
    with opened(tmp_path / "www") as pages:
        pages.write("a.html", b"")
    assert (tmp_path / "www/a.html").stat().st_mode & 0o777 == 0o640


def test_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("")
    for name in ("shared", "link", "file", "no/where"):
        refused(tmp_path / name)


def refused(folder: Path) -> PachaError:
    with pytest.raises(PachaError) as caught, opened(folder):
        pass
    assert caught.value.code == "page-not-written"
    return caught.value


def test_a_folder_that_somebody_else_could_replace(tmp_path: Path) -> None:
    (tmp_path / "shared/www").mkdir(parents=True)
    (tmp_path / "shared").chmod(0o777)
    assert "everybody may write" in refused(tmp_path / "shared/www").why
    (tmp_path / "shared").chmod(0o1777)  # nobody renames what is not his there
    with opened(tmp_path / "shared/www"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="gives folders away")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """As /tmp/www, if he knows that it will be made."""
    (tmp_path / "www").mkdir()
    os.chown(tmp_path / "www", 12345, 12345)
    assert "belongs to user 12345" in refused(tmp_path / "www").why
    (tmp_path / "home/www").mkdir(parents=True)
    os.chown(tmp_path / "home", 12345, 12345)
    assert "belongs to user 12345" in refused(tmp_path / "home/www").why


def test_one_that_is_moved_away_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with opened(tmp_path / "www") as pages:
        (tmp_path / "www").rename(tmp_path / "moved")
        (tmp_path / "www").symlink_to(tmp_path / "other")
        pages.write("a.html", b"x")
    assert os.listdir(tmp_path / "other") == [] and os.listdir(tmp_path / "moved") == ["a.html"]


def test_leftovers_of_killed_runs_go(tmp_path: Path) -> None:
    for name, old in ((".a.html.01234567", True), (".b.html.01234567", False), (".c.html", True)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (1, 1) if old else None)
    with opened(tmp_path):
        pass
    assert sorted(os.listdir(tmp_path)) == [".b.html.01234567", ".c.html"]
