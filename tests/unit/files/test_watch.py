"""What is passed over below a watched path."""

from __future__ import annotations

from pathlib import Path

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
