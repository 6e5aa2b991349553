"""Tell a path that is absent from one that cannot be accessed.

A missing permission, a failing disk or an unreachable server does not make a path absent. Even "No such file or
directory" may come from a file system that lists a name but cannot look it up: then the listing counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

#: The errors of open(2) and stat(2) where a component of the path is missing, or is not a directory.
ABSENT = (FileNotFoundError, NotADirectoryError)


def is_absent(path: str | bytes | os.PathLike[str]) -> bool:
    """Whether nothing is at ``path``; False where that cannot be found out."""
    try:
        os.lstat(path)
    except ABSENT:
        return True
    except OSError:
        return False
    return False


def still_listed(names: Iterable[bytes], dir_fd: int) -> list[bytes]:
    """Return those of ``names`` that the directory ``dir_fd`` lists now; all of them where it cannot be read."""
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
