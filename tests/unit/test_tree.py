"""The tree that the documents draw is the tree of the package, and it fits on one screen."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = next(folder for folder in Path(__file__).resolve().parents if (folder / "setup.py").exists())
PACKAGE = CHECKOUT / "pacha"
SCREEN = 60  #: lines


def drawn(page: str) -> dict[str, set[str]]:
    """The modules of each folder ('' for the top) in the block of ``page`` that begins with ``pacha/``."""
    block = (CHECKOUT / page).read_text("utf-8").split("\n    pacha/\n", 1)[1].split("\n\n", 1)[0].splitlines()
    assert len(block) <= SCREEN, page
    tree: dict[str, set[str]] = {"": set()}
    folder = ""
    for line in block:
        words = line[len("    ") :]
        if match := re.match(r"  ([\w/]+)/(?: {2,}|$)", words):
            folder = match[1]
            tree[folder] = set()
        elif match := re.match(r"  (\w+)\.py {2,}", words):
            tree[""].add(match[1])
        else:
            tree[folder] |= set(words.split())
    return tree


def real() -> dict[str, set[str]]:
    tree: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        folder = path.parent.relative_to(PACKAGE).as_posix().removeprefix(".")
        tree.setdefault(folder, set()).update({path.stem} - {"__init__"})
    return tree


def test_how_it_works_draws_every_folder_and_module() -> None:
    assert drawn("docs/how-it-works.rst") == real()


def test_contributing_draws_every_folder() -> None:
    assert drawn("CONTRIBUTING.rst").keys() == real().keys()
