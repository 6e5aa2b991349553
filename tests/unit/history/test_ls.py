"""ls: a directory's entries, what is watched, or all that is below."""

from __future__ import annotations

import os

from pacha.history.access import open_history
from pacha.history.ls import ls
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_a_directory_a_file_and_what_is_watched(bar: Standalone) -> None:
    (bar.tree / "sub").mkdir()
    (bar.tree / "sub/two").write_text("two\n")
    (bar.tree / "sub-b").write_text("no child of sub\n")
    bar.push()
    with open_history(bar.context()) as history:
        snapshot = history.snapshot(history.find(""))

    def names(path: bytes = b"", *, recursive: bool = False) -> list[bytes]:
        return [entry.path for entry in ls(snapshot, path, recursive=recursive)]

    below = [os.fsencode(bar.tree / name) for name in ("one", "sub", "sub-b")]
    assert names() == [bar.path] == names(b"/") and names(bar.path) == below
    assert names(below[1]) == [below[1] + b"/two"] and names(below[0]) == [below[0]]
    assert names(bar.path, recursive=True) == sorted([*below, below[1] + b"/two"])
    assert names(recursive=True) == sorted([bar.path, *below, below[1] + b"/two"])
