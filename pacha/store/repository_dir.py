"""Install a repository under its name once it is complete; until then it has a temporary path beside it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress


def temporary_path(path: str) -> str:
    """A name beside ``path`` that nothing has; what a killed run left there is gone."""
    folder, last = os.path.split(path)
    new = os.path.join(folder, f".new-{last}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    shutil.rmtree(new, ignore_errors=True)
    return new


def install(path: str, target: str) -> None:
    """Make the repository at ``path`` the one at ``target``, where there is none; ``path`` may be gone then.

    Which phase a revision is in is not taken over: what has none is public (hg help phases). Raises OSError.
    """
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(path, ".hg", "store", "phaseroots"))
    new = temporary_path(target)
    shutil.move(path, new)
    os.rename(new, target)
