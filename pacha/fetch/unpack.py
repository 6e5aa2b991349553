"""Unpack what was fetched: check every file against its sha256 and append it to a spool."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TypeVar

from pacha.errors import DamagedError, PurgedError
from pacha.fetch.worker import WorkerProcess
from pacha.files import names
from pacha.files.entry import Entry, Kind
from pacha.sealing.opener import Mismatch, Opened, Opener, Shut, check_stored
from pacha.store import hg
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.store.hg import Reader

_CHUNK = 1 << 20
_File = TypeVar("_File", bound=tuple[Any, ...])
_HOLE = bytes(64 << 10)
_FILE = 64 << 10  #: bytes that are read in the time that opening a file takes
_FEW = 64 << 20  #: bytes that are read in ten times the time that starting a process takes


class Item(NamedTuple):
    """A file to unpack: its path, the stored names of its content in order, its sha256, its size in bytes.

    ``sealed`` as in ``Entry``.
    """

    path: bytes
    stored: tuple[bytes, ...]
    sha256: bytes | None
    size: int
    sealed: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Files of ``node`` in the repository ``name`` at ``path``, which holds the watched path ``watched``.

    They are appended to a file whose name begins with ``spool``. ``items`` are plain tuples, which are pickled in a
    third of the time. ``opener`` opens what is sealed.
    """

    path: str
    name: str
    watched: bytes
    node: str
    spool: str
    items: Sequence[tuple[Any, ...]]
    original: str = ""  #: where the master has the repository, for messages
    opener: Opener = field(default_factory=Opener)


@dataclass(slots=True, kw_only=True)
class UnpackedFile:
    """The next ``count`` files of a task are in the file ``spool``, one after the other from the offset ``start``.

    ``holes``: how many bytes of a path are holes; ``sound``: the logs that were read have no bytes outside of
    revisions; ``purged``: paths whose content was erased; ``shut``: why others stay sealed (neither is in the file);
    ``opened``: what came out of sealed files, by path.
    """

    spool: str
    count: int
    start: int = 0
    holes: dict[bytes, int] = field(default_factory=dict)
    sound: bool = False
    purged: list[bytes] = field(default_factory=list)
    opened: dict[bytes, Opened] = field(default_factory=dict)
    shut: dict[bytes, str] = field(default_factory=dict)


def items(entries: Iterable[Entry]) -> list[Item]:
    """The files among ``entries``."""
    files = (entry for entry in entries if entry.kind is Kind.FILE)
    return [Item(entry.path, tuple(content_names(entry)), entry.sha256, entry.size, entry.sealed) for entry in files]


def content_names(entry: Entry) -> list[bytes]:
    """The names in the repository that hold the content of a file, in order."""
    stored = entry.stored or b""
    return [names.part(stored, number) for number in range(entry.parts)] or [stored]


def halves(files: Sequence[_File]) -> tuple[Sequence[_File], Sequence[_File]]:
    """Two parts that take about the same time; the second is empty where there is little to do."""
    sizes = [Item._make(file).size + _FILE for file in files]
    remaining = sum(sizes) // 2
    if remaining < _FEW:
        return files, ()
    for number, size in enumerate(sizes):
        remaining -= size
        if remaining <= 0:
            return files[: number + 1], files[number + 1 :]
    return files, ()


def unpack_parallel(task: Task) -> list[UnpackedFile]:
    """Unpack with the help of a second process, if that is faster; a result for each. Raises DamagedError."""
    first_half, second_half = (replace(task, items=half) for half in halves(task.items))
    if not second_half.items:
        return [unpack(task)]
    with WorkerProcess.start() as worker:
        if worker:
            worker.ask(unpack, second_half)
        return [unpack(first_half), (worker and worker.answer()) or unpack(second_half)]


def unpack(task: Task) -> UnpackedFile:
    """Unpack in this process. Raises DamagedError."""
    repository = hg.Repository.open(task.path, original=task.original)
    if not repository.has(task.node):
        raise DamagedError(
            f"The repository '{task.name}' on the master has no revision {task.node[:12]}.",
            f"the newest snapshot of {escape(task.watched)} names it",
            "Nothing was changed. Look at the repository on the master with 'hg verify'.",
            subject=f"{task.name} {task.node}",
            code="revision-missing",
        )
    read, (path, spool) = repository.reader(task.node), open_spool(task)
    with hg.frequent_gc(), spool:
        offset = spool.tell()
        unpacked = UnpackedFile(spool=path, count=len(task.items), start=offset)
        try:
            for item in map(Item._make, task.items):
                try:
                    if item.sealed is None:
                        _unpack_file(item, task.name, read, spool, unpacked)
                    else:
                        _unseal_file(item, task, read, spool, unpacked)
                except (PurgedError, Shut) as absence:
                    spool.truncate(offset)
                    unpacked.holes.pop(item.path, None)
                    if isinstance(absence, Shut):
                        unpacked.shut[item.path] = str(absence)
                    else:
                        unpacked.purged.append(item.path)
                else:
                    offset += item.size
        except DamagedError:
            spool.truncate(unpacked.start)  # for the next try
            raise
    unpacked.sound = not read.beyond
    return unpacked


def open_spool(task: Task) -> tuple[str, BinaryIO]:
    """Open this process's own file to append to; returns its path, too: a killed one may still write to its own."""
    path, flags = f"{task.spool}-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return path, open(os.open(path, flags, 0o600), "ab", buffering=_CHUNK)


def is_movable(path: str, node: str, read: frozenset[bytes]) -> bool:
    """Whether the repository has Pacha's format and ends with ``node``. The logs in ``read`` need not be read again."""
    return hg.Repository.open(path).ends_with(node, read)


def _unpack_file(item: Item, repository: str, read: Reader, spool: BinaryIO, unpacked: UnpackedFile) -> None:
    sha, size = hashlib.sha256(), 0
    for name in item.stored:
        data = read(name)
        sha.update(data)
        size += len(data)
        append(data, item, spool, unpacked)
    if sha.digest() != item.sha256 or size != item.size:
        raise _damaged(item, f"its sha256 in the repository '{repository}' is another than the snapshot names")


def _unseal_file(item: Item, task: Task, read: Reader, spool: BinaryIO, unpacked: UnpackedFile) -> None:
    """Check the stored bytes, which takes no identity, then open them. Raises Shut if no identity can, DamagedError."""
    sealed = item.sealed or b""
    try:
        check_stored(map(read, item.stored), sealed)
        opening, size = task.opener.begin(item.path, sealed), 0
        for name in item.stored:
            data = opening.open(read(name))
            size += len(data)
            append(data, item, spool, unpacked)
        opened = opening.finish(item.sha256 or b"")
    except Mismatch as error:
        raise _damaged(item, f"what is sealed in the repository '{task.name}': {error}") from None
    if size != item.size:
        raise _damaged(item, f"what is sealed in the repository '{task.name}' has another size than the snapshot names")
    unpacked.opened[item.path] = opened


def append(data: bytes, item: Item, spool: BinaryIO, unpacked: UnpackedFile) -> None:
    """Write ``data`` of ``item`` to the end of the ``spool``, and note its holes."""
    spool.write(data)
    if len(data) >= len(_HOLE) and (hole := data.count(_HOLE) * len(_HOLE)):
        unpacked.holes[item.path] = unpacked.holes.get(item.path, 0) + hole


def _damaged(item: Item, why: str) -> DamagedError:
    return DamagedError(
        f"{escape(item.path)} is not as it was pushed.",
        why,
        "Nothing was changed. Look at the repository on the master with 'hg verify'.",
        subject=escape(item.path),
        code="content-damaged",
    )
