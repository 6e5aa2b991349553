"""The files of a package manager: only what it reads itself, and nothing that has no end."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pacha.machine.packages import source_files
from pacha.machine.packages.package_list import SourceFile


def test_only_regular_files_of_a_usual_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/own").write_bytes(b"deb\xff")
    (tmp_path / "etc/link").symlink_to("own")
    os.mkfifo(tmp_path / "etc/fifo")
    with open(tmp_path / "etc/large", "wb") as large:
        large.truncate(5 << 20)
    paths = [f"/etc/{name}" for name in ("own", "link", "fifo", "large", "missing", "nul\0")] + ["/etc"]
    assert source_files.read(tmp_path, paths) == (
        SourceFile(path="/etc/link", content=b"deb\xff"),
        SourceFile(path="/etc/own", content=b"deb\xff"),
    )


def test_a_folder_is_listed_by_the_names_that_are_read(tmp_path: Path) -> None:
    for name in ("b.list", "a.list", "a.list~", "c.txt"):
        (tmp_path / name).touch()
    assert source_files.listed(tmp_path, "/missing", re.compile(".*")) == []
    assert source_files.listed(tmp_path.parent, f"/{tmp_path.name}", re.compile(r"\w+\.list")) == [
        f"/{tmp_path.name}/a.list",
        f"/{tmp_path.name}/b.list",
    ]


def test_the_stamp_changes_with_time_size_and_absence(tmp_path: Path) -> None:
    file, paths = tmp_path / "file", ["/file", "/nul\0"]
    stamps = [source_files.stamp(tmp_path, paths)]
    file.write_text("a")
    os.utime(file, ns=(1, 1))
    stamps.append(source_files.stamp(tmp_path, paths))
    os.utime(file, ns=(2, 2))
    stamps.append(source_files.stamp(tmp_path, paths))
    file.write_text("ab")
    os.utime(file, ns=(2, 2))
    stamps.append(source_files.stamp(tmp_path, paths))
    assert len(set(stamps)) == 4 and source_files.stamp(tmp_path, paths) == stamps[-1]
