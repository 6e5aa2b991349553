"""What is not there, and what only cannot be looked at.

An error of looking (no permission, a failing disk, a server that is away) never makes anything absent. Even "No such
file or directory" may come from a file system that shows a name and cannot find it: what counts is the listing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

#: What open(2) and stat(2) say where a component of the path is missing, or is no directory.
ABSENT = (FileNotFoundError, NotADirectoryError)


def is_absent(path: str | bytes | os.PathLike[str]) -> bool:
    """Whether nothing is at ``path``; False where that cannot be told."""
    try:
        os.lstat(path)
    except ABSENT:
        return True
    except OSError:
        return False
    return False


def still_listed(names: Iterable[bytes], dir_fd: int) -> list[bytes]:
    """Those of ``names`` that the directory ``dir_fd`` lists now; all of them where it cannot be read."""
    try:
        fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            listed = {os.fsencode(name) for name in os.listdir(fd)}
        finally:
            os.close(fd)
    except FileNotFoundError:
        return []  # the directory itself was removed
    except OSError:
        return list(names)
    return [name for name in names if name in listed]
