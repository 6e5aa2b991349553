"""Unpack the logs of a repository as they arrive, while the rest of it is on its way.

The second process checks each log by itself, and the content against the sha256 of the snapshot. Once everything is
here the nodes of the logs are compared with the manifest. If one differs, all results are discarded. Those files, and
those that were not read ahead, are left to ``unpack``, which reports what is wrong.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO

from pacha.errors import PachaError
from pacha.fetch.unpack import Item, Task, UnpackedFile, append, open_spool, unpack_parallel
from pacha.fetch.worker import WorkerProcess
from pacha.store import hg

if TYPE_CHECKING:
    from pacha.store.hg import OneRevisionReader

#: Files at a time: handing over takes as long as unpacking two files, and the first process waits for the last ones.
_AT_LEAST, _AT_MOST = 32, 256


@dataclass(slots=True)
class Ahead:
    """In the first process: hands over what ``arrived``. ``works``: the ``worker`` has done all that it was given."""

    worker: WorkerProcess
    works: bool = True
    _arrived: list[bytes] = field(default_factory=list)

    def arrived(self, name: bytes) -> None:
        """Note that the file ``name`` below the store is complete."""
        if not self.works:  # it gets no more files
            return
        self._arrived.append(name)
        if len(self._arrived) % _AT_LEAST == 0 and self.worker.answers():
            self.take()
            if self.works:
                self.worker.ask(go_on, self._arrived[:_AT_MOST])
                del self._arrived[:_AT_MOST]

    def take(self) -> None:
        """Wait for the answer to what was handed over."""
        try:
            self.works = self.worker.answer() is not None
        except PachaError:
            self.works = False


@contextmanager
def unpacking_ahead(worker: WorkerProcess, task: Task) -> Iterator[Ahead]:
    """Let ``worker`` unpack files of ``task`` that arrive during the body; it is free again afterwards."""
    ahead = Ahead(worker)
    worker.ask(begin, task)
    try:
        yield ahead
    except BaseException as error:
        if not isinstance(error, Exception):  # a signal: nothing is waited for
            worker.end()
        raise
    finally:
        if ahead.works:
            ahead.take()


@dataclass(slots=True, kw_only=True)
class _Reading:
    """In the second process: the files of ``task`` by the path of their log, and what is in the ``spool`` so far."""

    task: Task
    logs: dict[bytes, int]
    reader: OneRevisionReader
    spool: BinaryIO
    unpacked: UnpackedFile
    numbers: array[int] = field(default_factory=lambda: array("L"))
    revisions: list[tuple[bytes, int]] = field(default_factory=list)  #: node and link of each

    def read(self, log: bytes) -> None:
        """Unpack the file of ``log`` if that has one revision.

        Raises ValueError for damage, which ``unpack`` reports: a few bytes may take long to expand.
        """
        number = self.logs.pop(log, None)
        if number is None:
            return
        item, only = Item._make(self.task.items[number]), self.reader.at(log)
        if only and len(only.text) == item.size and hashlib.sha256(only.text).digest() == item.sha256:
            append(only.text, item, self.spool, self.unpacked)
            self.numbers.append(number)
            self.revisions.append((only.node, only.link))
        elif only or self.reader.damaged:
            raise ValueError("damaged")

    def are_of(self, repository: hg.Repository) -> bool:
        """Whether the snapshot names just these revisions of the files."""
        names = (self.task.items[number][1][0] for number in self.numbers)
        read = repository.reader(self.task.node)
        return all(read.names(name, *revision) for name, revision in zip(names, self.revisions, strict=True))

    def forget(self) -> None:
        """Leave nothing in the spool."""
        with suppress(OSError):  # what is written last does not fit
            self.spool.close()
        os.truncate(self.unpacked.spool, self.unpacked.start)


_READING: list[_Reading] = []  #: the one under way


def begin(task: Task) -> bool:
    """Prepare to unpack files of ``task``, and forget another one under way."""
    _forget()
    items = map(Item._make, task.items)
    single = {item.stored[0]: n for n, item in enumerate(items) if len(item.stored) == 1 and item.sealed is None}
    reader = hg.OneRevisionReader.of_plain(task.path)
    path, spool = open_spool(task)
    unpacked = UnpackedFile(spool=path, count=0, start=spool.tell(), sound=True)
    logs = {reader.log(name): n for name, n in single.items()}
    _READING.append(_Reading(task=task, logs=logs, reader=reader, spool=spool, unpacked=unpacked))
    return True


def go_on(logs: Sequence[bytes]) -> bool:
    """Unpack the files whose logs are here."""
    try:
        for log in logs:
            _READING[0].read(log)
    except BaseException:
        _forget()
        raise
    return True


def finish(path: str) -> tuple[array[int], list[UnpackedFile]] | None:
    """Check what was read ahead of the repository at ``path``, which is complete, and unpack the rest.

    Returns the numbers of the task's files in the order of the results; None if nothing was begun, or if all of it has
    to be unpacked anew. Raises DamagedError.
    """
    if not _READING or _READING[0].task.path != path:
        return None
    try:
        finished = _finished(_READING[0])
    except BaseException:
        _forget()
        raise
    if finished is None:
        _forget()
    _READING.clear()
    return finished


def _finished(reading: _Reading) -> tuple[array[int], list[UnpackedFile]] | None:
    task = reading.task
    repository = hg.Repository.open(task.path, original=task.original)
    if not (repository.is_plain() and repository.has(task.node) and reading.are_of(repository)):
        return None
    reading.spool.close()
    done = set(reading.numbers)
    rest = array("L", (number for number in range(len(task.items)) if number not in done))
    reading.unpacked.count = len(reading.numbers)
    others = unpack_parallel(replace(task, items=[task.items[number] for number in rest])) if rest else []
    return reading.numbers + rest, [reading.unpacked, *others]


def _forget() -> None:
    while _READING:
        _READING.pop().forget()
