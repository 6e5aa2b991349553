"""Write new files in two processes: what the second does not do, for whatever reason, the first one does.

The first process keeps the journal, makes the directories and decides; the second is given the names, the content's
place and the attributes of some files at a time, and reaches them by the same rules. It changes no target.
"""

from __future__ import annotations

import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from pacha.errors import DamagedError, PachaError
from pacha.files.dirfd import READ, open_own
from pacha.files.entry import Entry, Kind
from pacha.files.paths import name, parent
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import make_file
from pacha.restore.ownership import Attributes
from pacha.restore.plan import Plan, Step
from pacha.restore.write import Extent, NewFile, Writer

_CHUNK = 1 << 20
_FILE = 64 << 10  #: bytes that are written in the time that creating a file takes
_FEW = 256 * _FILE  #: what is written in the time that the second process needs to begin
_OURS, _THEIRS = 16 * _FILE, 128 * _FILE  #: at a time: handing over takes as long as writing three files


class Helper(Protocol):
    """A second process of the same user, which has nothing else to do."""

    def ask(self, function: Callable[[Batch], object], batch: Batch, /) -> None:
        """Let it call ``function``."""

    def answers(self) -> bool:
        """Whether it has answered or ended."""

    def answer(self) -> Any:
        """What ``function`` returned; None if it ended. Raises PachaError."""

    def end(self) -> None:
        """Kill it, and wait for its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Files to write, in directories that exist, of which ``aliases`` have temporary names; see ``SafeDirectories``.

    The file ``journal`` is locked meanwhile (``Journal.wait_for_writers``). Each of ``files`` has the fields of a
    NewFile as plain tuples: those are pickled in a tenth of the time.
    """

    journal: bytes
    roots: tuple[bytes, ...]
    confined_to: bytes
    aliases: Mapping[bytes, bytes]
    files: tuple[tuple[Any, ...], ...]


def write_batch(batch: Batch) -> list[tuple[str, ...]]:
    """Write the files up to the first that fails; for each written one, in words what could not be set."""
    written: list[tuple[str, ...]] = []
    with suppress(OSError, DamagedError), ExitStack() as stack:
        fcntl.flock(_open(batch.journal, stack), fcntl.LOCK_SH | fcntl.LOCK_NB)
        tree = stack.enter_context(SafeDirectories(batch.roots, batch.confined_to))
        for path, temporary in batch.aliases.items():
            tree.alias(path, temporary)
        contents: dict[bytes, int] = {}
        for file in map(_file, batch.files):
            if file.place.file not in contents:
                contents[file.place.file] = _open(file.place.file, stack)
            chunks = _chunks(contents[file.place.file], file.place)
            dir_fd = tree.enter(parent(file.entry.path))
            written.append(make_file(file.name, dir_fd, file.entry, file.attributes, chunks).troubles)
    return written


class SharedWriting:
    """Lets ``writer`` write steps, with a ``helper`` where there is one."""

    def __init__(self, plan: Plan, writer: Writer, helper: Helper | None, on_step: Callable[[Step], None]) -> None:
        """``on_step`` is called for each step, in their order, once it and those before it are written."""
        self._plan, self._writer, self._helper, self._on_step = plan, writer, helper, on_step
        self._given: list[Step] = []
        #: of the steps from the end, last first: all that were given, and those left for this process
        self._from_end, self._left = list[Step](), list[Step]()

    def write(self, steps: Sequence[Step]) -> None:
        """Write ``steps``, directories first. Raises as ``Writer.write``: no other process writes any more then."""
        for step in filter(_is_directory, steps):
            self._writer.write(step)
        if sum(map(_work, steps)) < _FEW:
            self._helper = None
        remaining = deque(steps)
        try:
            while remaining:
                self._hand_over(remaining)
                for step in _some(remaining.popleft, remaining, _OURS):
                    self._write(step)
                    self._on_step(step)
            self._take_back()
        except BaseException:
            if self._given and self._helper:
                self._helper.end()
            raise
        for step in reversed(self._left):
            self._write(step)
        for step in reversed(self._from_end):
            self._on_step(step)

    def _hand_over(self, remaining: deque[Step]) -> None:
        """Give the helper more if it has nothing to do: from the end, so that both are seldom in the same folder."""
        if self._given and self._helper and self._helper.answers():
            self._take_back()
        if self._given or self._helper is None:
            return
        steps = _some(remaining.pop, remaining, _THEIRS)
        files = {step.path: file for step in steps if (file := self._writer.file(step))}
        self._from_end += steps
        self._left += (step for step in steps if step.path not in files)
        self._given = [step for step in steps if step.path in files]
        if files:
            self._helper.ask(write_batch, self._batch(tuple(files.values())))

    def _batch(self, files: tuple[NewFile, ...]) -> Batch:
        aliases: dict[bytes, bytes] = {}
        for folder in {parent(file.entry.path) for file in files}:
            aliases |= self._writer.aliases(folder)
        return Batch(
            journal=self._writer.journal_file, roots=self._plan.roots, confined_to=self._plan.confined_to,
            aliases=aliases, files=tuple(map(_plain, files)),
        )  # fmt: skip

    def _take_back(self) -> None:
        """Wait for what the helper was given; remove what it did not finish, which is then left for this process."""
        if not self._given or self._helper is None:
            return
        written = self._answer(self._helper)
        given, self._given = self._given, []
        for step, troubles in zip(given, written, strict=False):
            self._writer.accept(step, troubles)
        for step in given[len(written) :]:
            self._writer.discard(step)
            self._left.append(step)
            self._helper = None

    @staticmethod
    def _answer(helper: Helper) -> list[tuple[str, ...]]:
        with suppress(PachaError):  # too little memory
            if (written := helper.answer()) is not None:
                return list(written)
        helper.end()
        return []

    def _write(self, step: Step) -> None:
        if not _is_directory(step):
            self._writer.write(step)


def _is_directory(step: Step) -> bool:
    return step.wanted is not None and step.wanted.kind is Kind.DIRECTORY


def _work(step: Step) -> int:
    """How long it takes, as the bytes that are written meanwhile."""
    return _FILE + (step.wanted.size if step.wanted is not None else 0)


def _some(take: Callable[[], Step], remaining: deque[Step], work: int) -> list[Step]:
    """Steps that ``take`` removes from the ``remaining`` ones, until they take as long as ``work``."""
    taken: list[Step] = []
    while remaining and work > 0:
        taken.append(take())
        work -= _work(taken[-1])
    return taken


def _plain(file: NewFile) -> tuple[Any, ...]:
    return file.name, tuple(file.entry), tuple(file.attributes), tuple(file.place)


def _file(plain: tuple[Any, ...]) -> NewFile:
    temporary, entry, attributes, place = plain
    return NewFile(temporary, Entry(*entry), Attributes(*attributes), Extent(*place))


def _open(file: bytes, stack: ExitStack) -> int:
    """Open a file of a private folder, until the end of ``stack``. Raises OSError."""
    folder = open_own(parent(file))
    stack.callback(os.close, folder)
    fd = os.open(name(file), READ, dir_fd=folder)
    stack.callback(os.close, fd)
    return fd


def _chunks(fd: int, place: Extent) -> Iterator[bytes]:
    end = place.offset + place.size
    return (os.pread(fd, min(_CHUNK, end - start), start) for start in range(place.offset, end, _CHUNK))
