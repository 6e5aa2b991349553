"""What is absent, and what only cannot be looked at."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.system.presence import is_absent, still_listed


def test_only_what_is_not_there_is_absent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    assert not is_absent(tmp_path / "file") and not is_absent(tmp_path / "link")
    assert is_absent(tmp_path / "none") and is_absent(tmp_path / "file/below")
    assert not is_absent(tmp_path / "loop/below"), "nobody can tell"
    assert not is_absent(tmp_path / ("n" * 300)), "nobody can tell"


def test_what_a_directory_lists(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a\udcff").touch()
    for flag in (os.O_RDONLY, os.O_PATH):
        fd = os.open(tmp_path / "d", flag)
        assert still_listed([b"a\xff", b"b"], fd) == [b"a\xff"]
        os.close(fd)
    fd = os.open(tmp_path / "d/a\udcff", os.O_RDONLY)
    assert still_listed([b"x"], fd) == [b"x"], "nobody can tell"
    os.close(fd)


def test_a_removed_directory_lists_nothing(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    fd = os.open(tmp_path / "d", os.O_RDONLY)
    os.rmdir(tmp_path / "d")
    assert still_listed([b"a"], fd) == []
    os.close(fd)
