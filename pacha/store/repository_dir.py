"""Install a repository under its name when it is complete; until then it is at a temporary path beside it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

STORE = ".hg/store"  #: where a repository keeps its history, below its own path


def temporary_path(path: str) -> str:
    """Return an unused path beside ``path``; files that an interrupted run left there are removed."""
    folder, last = os.path.split(path)
    new = os.path.join(folder, f".new-{last}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    shutil.rmtree(new, ignore_errors=True)
    return new


def install(path: str, target: str) -> None:
    """Move the repository at ``path`` to ``target``, which does not exist. Raises OSError.

    Its phases are dropped, so that every revision is public (hg help phases).
    """
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(path, STORE, "phaseroots"))
    new = temporary_path(target)
    shutil.move(path, new)
    os.rename(new, target)
