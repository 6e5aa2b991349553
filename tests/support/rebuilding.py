"""A rebuild that must bring everything back."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.stage import Host, changed, picture


def check_rebuild(host: Host, tree: Path, machine: str = "checker") -> None:
    """Another machine gets exactly the tree as it is now, from repositories that are whole and of one line."""
    checker = host.stage.host(host.name, machine=machine, added=False)
    out = checker.folder / "out"
    checker.rebuild("--target", out)
    assert changed(picture(tree), picture(Path(f"{out}{tree}"))) == []
    host.verify_master()
    shutil.rmtree(checker.folder)


def make_tree(top: Path) -> Path:
    for name in ("one", "two", "below/three"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(f"{name}\n")
    return top
