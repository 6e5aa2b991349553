"""Write the file logs of a first commit without looking for older ones."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from typing import Any

from mercurial import util, vfs

from pacha.library import require
from pacha.store.hg import revlog
from pacha.store.hg.bounds import LIBRARY
from pacha.store.revision import PLAIN

_LOGS = (b"data/", b"dh/")  #: the folders of file logs in a store (mercurial/store.py, hybrid encoding)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PRIVATE = 0o600


@contextlib.contextmanager
def first_commit(repo: Any) -> Iterator[None]:
    """While the body commits to an empty store, write each file log in one go and look for no older one.

    This saves four open(2) and two mkdir(2) for each. A store with file logs is left as it is. The caller holds the
    repository's lock.
    """
    store = repo.store.vfs
    plain, make = require(LIBRARY, store, "vfs"), require(LIBRARY, repo, "file", "path", "writable")
    if any(plain.exists(folder) for folder in _LOGS):
        yield
        return
    store.vfs = _EmptyStoreVfs(plain)
    if repo.requirements == PLAIN:
        repo.file = lambda name, writable=False: revlog.FirstRevisionWriter(
            repo, name, lambda: make(name, writable=writable)
        )
    try:
        yield
    finally:
        store.vfs = plain
        vars(repo).pop("file", None)


def plainly(repo: Any) -> None:
    """From now on read file logs directly: check neither the folders above one, nor whether it is a terminal.

    The store must contain nothing but plain files and folders.
    """
    store = repo.store.vfs
    if not isinstance(store.vfs, _Plainly):
        store.vfs = _Plainly(store.vfs)


class _Over(vfs.proxyvfs):  # type: ignore[misc]
    """A wrapper that leaves the places of files to ``vfs``."""

    def join(self, path: bytes, *inside: bytes) -> bytes:
        return bytes(self.vfs.join(path, *inside))


class _Plainly(_Over):
    """Reads file logs without a buffer, as one or two reads get a whole log."""

    def __call__(self, path: bytes, mode: bytes = b"rb", **named: Any) -> Any:
        if mode in (b"r", b"rb") and path.startswith(_LOGS):
            return open(self.join(path), "rb", buffering=0)
        return self.vfs(path, mode, **named)


class _EmptyStoreVfs(_Over):
    """File logs exist only once they were created here; for other files, ``plain`` decides."""

    def __init__(self, plain: Any) -> None:
        super().__init__(plain)
        self._created: set[bytes] = set()
        self._folders: set[bytes] = set()

    def __call__(self, path: bytes, mode: bytes = b"rb", **named: Any) -> Any:
        if path in self._created or not path.startswith(_LOGS):
            return self.vfs(path, mode, **named)
        if mode.startswith(b"r"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self._created.add(path)
        if not mode.startswith(b"w") or named.get("atomictemp"):
            return self.vfs(path, mode, **named)
        self._make_folder(os.path.dirname(path))
        return os.fdopen(os.open(self.join(path), _NEW, _PRIVATE), "w+b" if b"+" in mode else "wb")

    def _make_folder(self, folder: bytes) -> None:
        if folder not in self._folders:
            util.makedirs(self.join(folder), self.createmode)
            self._folders.add(folder)
