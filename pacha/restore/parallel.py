"""Write new files in two processes. Whatever the second leaves undone, for any reason, the first does.

The first process keeps the journal, makes the directories and decides. The second (the helper) gets a batch of files at
a time: their names, attributes, and where their content is. It reaches them by the same rules, and changes no target.
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
_FEW = 256 * _FILE  #: bytes that are written in the time that the helper needs to begin
_OURS, _THEIRS = 16 * _FILE, 128 * _FILE  #: bytes of work at a time: handing over takes as long as writing three files


class Helper(Protocol):
    """A second process of the same user, which does nothing else."""

    def ask(self, function: Callable[[Batch], object], batch: Batch, /) -> None:
        """Let the process call ``function(batch)``."""

    def answers(self) -> bool:
        """Whether the process has answered or ended."""

    def answer(self) -> Any:
        """Return what ``function`` returned; None if the process ended. Raises PachaError."""

    def end(self) -> None:
        """Kill the process, and wait for its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Files to write into existing directories. ``aliases``: the temporary names of some of these, by path.

    ``roots`` and ``confined_to`` are those of ``SafeDirectories``. The helper holds a lock on the file ``journal``
    meanwhile (``Journal.wait_for_writers``). Each of ``files`` has the fields of a NewFile as plain tuples, which are
    pickled in a tenth of the time.
    """

    journal: bytes
    roots: tuple[bytes, ...]
    confined_to: bytes
    aliases: Mapping[bytes, bytes]
    files: tuple[tuple[Any, ...], ...]


def write_batch(batch: Batch) -> list[tuple[str, ...]]:
    """Write the files up to the first that fails. Return, for each one written, the attributes that were not set."""
    written: list[tuple[str, ...]] = []
    with suppress(OSError, DamagedError), ExitStack() as stack:
        fcntl.flock(_open_private(batch.journal, stack), fcntl.LOCK_SH | fcntl.LOCK_NB)
        tree = stack.enter_context(SafeDirectories(batch.roots, batch.confined_to))
        for path, temporary in batch.aliases.items():
            tree.alias(path, temporary)
        contents: dict[bytes, int] = {}
        for file in map(_from_tuples, batch.files):
            if file.place.file not in contents:
                contents[file.place.file] = _open_private(file.place.file, stack)
            chunks = _chunks(contents[file.place.file], file.place)
            dir_fd = tree.enter(parent(file.entry.path))
            written.append(make_file(file.name, dir_fd, file.entry, file.attributes, chunks).troubles)
    return written


class SharedWriting:
    """Lets ``writer`` write steps, and a ``helper``, if there is one, some of them beside it."""

    def __init__(self, plan: Plan, writer: Writer, helper: Helper | None, on_step: Callable[[Step], None]) -> None:
        """``on_step`` is called for each step, in the plan's order, once it and those before it are written."""
        self._plan, self._writer, self._helper, self._on_step = plan, writer, helper, on_step
        self._given: list[Step] = []
        #: steps taken from the end of the plan, last first: all of them, and those that are left for this process
        self._from_end, self._left = list[Step](), list[Step]()

    def write(self, steps: Sequence[Step]) -> None:
        """Write ``steps``, directories first. Raises what ``Writer.write`` raises; by then no other process writes."""
        for step in filter(_is_directory, steps):
            self._writer.write(step)
        if sum(map(_work, steps)) < _FEW:
            self._helper = None
        remaining = deque(steps)
        try:
            while remaining:
                self._hand_over(remaining)
                for step in _take(remaining.popleft, remaining, _OURS):
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
        """Give an idle helper a batch, from the end of the plan: so both processes seldom work in the same folder."""
        if self._given and self._helper and self._helper.answers():
            self._take_back()
        if self._given or self._helper is None:
            return
        steps = _take(remaining.pop, remaining, _THEIRS)
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
            aliases=aliases, files=tuple(map(_to_tuples, files)),
        )  # fmt: skip

    def _take_back(self) -> None:
        """Wait for the helper's batch. Remove what it did not finish, and leave that for this process."""
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
    """How long a step takes, as the number of bytes that could be written meanwhile."""
    return _FILE + (step.wanted.size if step.wanted is not None else 0)


def _take(take: Callable[[], Step], remaining: deque[Step], work: int) -> list[Step]:
    """Call ``take``, which removes one of the ``remaining`` steps, until they add up to ``work``. Return them."""
    taken: list[Step] = []
    while remaining and work > 0:
        taken.append(take())
        work -= _work(taken[-1])
    return taken


def _to_tuples(file: NewFile) -> tuple[Any, ...]:
    return file.name, tuple(file.entry), tuple(file.attributes), tuple(file.place)


def _from_tuples(plain: tuple[Any, ...]) -> NewFile:
    temporary, entry, attributes, place = plain
    return NewFile(temporary, Entry(*entry), Attributes(*attributes), Extent(*place))


def _open_private(file: bytes, stack: ExitStack) -> int:
    """Open a file in a private folder; ``stack`` closes it. Raises OSError."""
    folder = open_own(parent(file))
    stack.callback(os.close, folder)
    fd = os.open(name(file), READ, dir_fd=folder)
    stack.callback(os.close, fd)
    return fd


def _chunks(fd: int, place: Extent) -> Iterator[bytes]:
    end = place.offset + place.size
    return (os.pread(fd, min(_CHUNK, end - start), start) for start in range(place.offset, end, _CHUNK))
