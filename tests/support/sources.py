"""The syntax trees of source files, for the tests that look at the program itself: each is read once."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """The tree of the file at ``path``, which nobody changes."""
    return ast.parse(path.read_bytes(), str(path))
