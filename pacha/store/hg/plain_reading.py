"""Read file logs directly, in a store that contains only plain files and folders."""

from __future__ import annotations

from typing import Any

from mercurial import vfs

_LOGS = (b"data/", b"dh/")  #: the folders of file logs in a store (mercurial/store.py, hybrid encoding)


def plainly(repo: Any) -> None:
    """From now on, read file logs directly: do not check the folders above one, nor whether it is a terminal."""
    store = repo.store.vfs
    if not isinstance(store.vfs, _Plainly):
        store.vfs = _Plainly(store.vfs)


class _Plainly(vfs.proxyvfs):  # type: ignore[misc]
    """Reads file logs without a buffer, as one or two reads get a whole log."""

    def join(self, path: bytes, *inside: bytes) -> bytes:
        return bytes(self.vfs.join(path, *inside))

    def __call__(self, path: bytes, mode: bytes = b"rb", **named: Any) -> Any:
        if mode in (b"r", b"rb") and path.startswith(_LOGS):
            return open(self.join(path), "rb", buffering=0)
        return self.vfs(path, mode, **named)
