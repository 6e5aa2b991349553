"""What is passed over below a watched path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from tests.support.scanning import ACCOUNTS, Host, empty_tree, no_wait, paths, reasons, watch  # noqa: F401


def test_excludes(tree: Path) -> None:
    for name in ("cache/x/y", "src/a.o", "src/a.c", "keep/cache"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    found = Host(watch(tree, exclude=("*.o", "/cache", f"{tree}/cache/*", "cache/"))).scan()
    assert paths(found, tree) == {"", "src", "src/a.c", "keep", "keep/cache"}
    found = Host(watch(tree, exclude=("cache/*", "src/"))).scan()
    assert paths(found, tree) == {"", "cache", "keep", "keep/cache"}


def test_what_is_excluded_now_is_left_out_though_it_was_known(tree: Path, settled: None) -> None:
    (tree / "d").mkdir()
    (tree / "d/f").touch()
    host = Host(watch(tree))
    host.push()
    host.watches = (watch(tree, exclude=("d",)),)
    assert paths(host.scan(), tree) == {""}


def test_what_cannot_be_told_to_be_a_directory_is_excluded_by_a_rule_of_either_kind(tree: Path) -> None:
    """As on a file system that tells no types, and cannot look up a name: it is not named as one that is not kept."""

    class Lost:
        def is_dir(self, *, follow_symlinks: bool) -> NoReturn:
            raise OSError(5, "Input/output error")

    top, rules = os.fsencode(tree), watch(tree, exclude=("cache/", "*.o"))
    passed_over = {name: rules.passes_over(Lost(), name, top + b"/" + name) for name in (b"cache", b"a.o", b"a.c")}  # type: ignore[arg-type]
    assert passed_over == {b"cache": True, b"a.o": True, b"a.c": False}
