"""Path algebra on absolute paths (bytes). Pure: no disk access, no link resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_DOTS = re.compile(rb"/\.\.?/")


def parent(path: bytes) -> bytes:
    """Return the directory that ``path`` lies in (``/`` for ``/`` itself)."""
    return path.rpartition(b"/")[0] or b"/"


def name(path: bytes) -> bytes:
    """Return the last component of ``path``."""
    return path.rpartition(b"/")[2]


def is_within(path: bytes, folder: bytes) -> bool:
    """Whether ``path`` is ``folder`` or lies below it."""
    return path == folder or path.startswith(prefix(folder))


def is_within_any(path: bytes, folders: Iterable[bytes]) -> bool:
    """Whether ``path`` is one of ``folders`` or lies below one."""
    return any(is_within(path, folder) for folder in folders)


def prefix(folder: bytes) -> bytes:
    """Return the prefix that the paths of everything below ``folder`` share."""
    return folder.rstrip(b"/") + b"/"


def ancestors(path: bytes) -> Iterator[bytes]:
    """Yield the directories that ``path`` lies in, nearest first, ``/`` last."""
    while path != b"/":
        path = parent(path)
        yield path


def rebase(path: bytes, target: bytes) -> bytes:
    """Return where ``path`` lies below the folder ``target``; ``path`` itself where that is ``b""``."""
    return target.rstrip(b"/") + path if target else path


def strip_target(path: bytes, target: bytes) -> bytes:
    """Return the path that ``rebase`` placed at ``path`` below the folder ``target``."""
    return path[len(target.rstrip(b"/")) :]


def is_normal(path: bytes) -> bool:
    """Whether ``path`` is absolute, without ``.``, ``..``, empty components, NUL or a final slash."""
    if path == b"/":
        return True
    closed = path + b"/"
    return path[:1] == b"/" and b"\0" not in path and b"//" not in closed and _DOTS.search(closed) is None
