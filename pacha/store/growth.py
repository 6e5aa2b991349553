"""A repository that is being written: another thread reads each file as soon as it is finished."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import SimpleQueue

_EVERY = 0.05  #: seconds; waking the reader for each name would cost more than reading the file


class Abandoned(Exception):
    """The repository will not be completed."""


class Growth:
    """The files of a repository that one thread writes and another reads: a queue of names, without contents."""

    def __init__(self) -> None:
        self._folder = Future[int]()
        self._names = SimpleQueue[list[bytes]]()
        self._some: list[bytes] = []
        self._last = 0.0
        self._is_whole: bool | None = None  #: None as long as it grows

    def begin(self, path: str) -> None:
        """Let reading begin: the folder ``path`` has the files of the format. It may be renamed later."""
        self._folder.set_result(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    @property
    def has_begun(self) -> bool:
        """Whether reading can begin."""
        return self._folder.done() and self._folder.exception() is None

    def add(self, name: bytes) -> None:
        """The file ``name`` below the store is finished."""
        self._some.append(name)
        if (now := time.monotonic()) > self._last + _EVERY:
            self._last = now
            self._pass_on()

    def end(self, *, is_whole: bool) -> None:
        """No more files come; if it ``is_whole``, the last one was the changelog. Only the first call counts."""
        if self._is_whole is None:
            self._is_whole = is_whole
            if not self._folder.done():
                self._folder.set_exception(Abandoned())
            if self._some:
                self._pass_on()
            self._pass_on()

    def _pass_on(self) -> None:
        self._names.put(self._some)
        self._some = []

    @contextmanager
    def reading(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        """A path of the repository that stays valid when it is renamed, and the names of its files.

        Waits for the beginning, and then for each name. Raises Abandoned, here or after the last name.
        """
        folder = self._folder.result()
        try:
            yield f"/proc/self/fd/{folder}", self._finished()
        finally:
            os.close(folder)

    def _finished(self) -> Iterator[bytes]:
        while (names := self._names.get()) and self._is_whole is not False:
            yield from names
        if not self._is_whole:
            raise Abandoned
