"""The first half of a rebuild: write everything new under temporary names, and change no target.

A new directory is filled under its temporary name, so that its tree appears at once.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from pacha.files import paths
from pacha.files.entry import Entry, Kind
from pacha.restore.compare import content_differs
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import Inode, discard, finish_directory, make_directory, make_file, make_link, make_other
from pacha.restore.inode import exhausted, explain
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Created, Record, Touched
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.ownership import PRIVATE, Attributes
from pacha.restore.plan import Action, Plan, Step
from pacha.restore.projects import passed_on
from pacha.system import syscalls
from pacha.text import escape


class ContentSource(Protocol):
    """The source of the content of files."""

    def content(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of a file in chunks. Raises DamagedError where they are missing or damaged."""

    def place(self, entry: Entry) -> Extent | None:
        """Return where another process can read these bytes; None where it cannot."""


class Extent(NamedTuple):
    """``size`` bytes, from ``offset`` on, of the file at the path ``file``, which is in a private folder."""

    file: bytes
    offset: int
    size: int


class NewFile(NamedTuple):
    """A file to write: its name in its directory, its entry, its attributes, and where its content is."""

    name: bytes
    entry: Entry
    attributes: Attributes
    place: Extent


class Halt(Exception):
    """The disk fails, not just one path. ``path`` and ``error`` are where and how that showed."""

    def __init__(self, path: bytes, error: OSError) -> None:
        super().__init__(path, error)
        self.path = path
        self.error = error


class Writer:
    """Writes what a plan creates or replaces, for an ``Installer``."""

    def __init__(
        self,
        plan: Plan,
        source: ContentSource,
        journal: Journal,
        tree: SafeDirectories,
        outcome_builder: OutcomeBuilder,
    ) -> None:
        self._plan, self._source, self._journal = plan, source, journal
        self._tree, self._outcome = tree, outcome_builder
        self.aliases, self.journal_file = tree.aliases, journal.file
        #: the temporary name, by path, of everything that is installed by itself
        self.temporaries: dict[bytes, bytes] = {}
        #: directories in which names change, and their original times in nanoseconds
        self.touched: dict[bytes, int] = {}
        #: one directory on each file system that is written to, by st_dev
        self.devices: dict[int, bytes] = {}
        #: existing directories that get other permissions; until then, others may read them
        self.closing = {step.path: step for step in plan.steps if _changes_permissions(step)}
        #: new paths below one of these: only their owner may read them until that has its final permissions
        self.restricted: set[bytes] = set()
        self._new_directories: set[bytes] = set()
        #: by link group, the name that was written first
        self._first: dict[int, tuple[Entry, Inode]] = {}
        self._inherited = 0

    def announce(self) -> None:
        """Choose all temporary names, enter every directory, and journal all of it, synced. Raises OSError."""
        records: list[Record] = []
        self._inherited = passed_on(self._plan, self._tree)
        for step in self._plan.steps:
            if step.action in (Action.CREATE, Action.REPLACE):
                self._announce_new(step, records)
            elif step.action is Action.METADATA or (step.action is Action.EXTRA and self._plan.delete):
                self._reach(step)
        touched = (Touched(path, mtime_ns) for path, mtime_ns in self.touched.items())
        self._journal.write(*touched, *records)
        self._journal.sync()

    def write(self, step: Step) -> None:
        """Create one entry under its temporary name. Raises Halt, and what the source raises (DamagedError)."""
        if step.path in self._outcome.failed:
            return
        parent, name = paths.parent(step.path), self._name(step.path)
        if parent in self._outcome.failed:
            self._outcome.fail(step.path, "its directory could not be made")
            return
        with self._failing(step):
            self._make(step, parent, name)

    def file(self, step: Step) -> NewFile | None:
        """Return what another process needs in order to write a file; None for what only this one can write."""
        wanted, failed = step.wanted, self._outcome.failed
        if wanted is None or wanted.kind is not Kind.FILE or wanted.link_group is not None:
            return None
        if step.path in failed or paths.parent(step.path) in failed:
            return None
        place = self._source.place(wanted)
        return NewFile(self._name(step.path), wanted, self._attributes(step), place) if place else None

    def accept(self, step: Step, troubles: tuple[str, ...]) -> None:
        """Record that another process wrote a file; ``troubles``: the attributes that it could not set. Raises Halt."""
        if troubles:
            self._outcome.trouble(step.path, *troubles)
            with self._failing(step):
                self._announce_real_time(step, self._tree.enter(paths.parent(step.path)), self._name(step.path))

    def discard(self, step: Step) -> None:
        """Remove the temporary name of a file, which may be missing."""
        try:
            discard(self._name(step.path), self._tree.enter(paths.parent(step.path)))
        except OSError:
            pass  # reported already; the journal names it, and the next run removes it

    def finish_directories(self) -> None:
        """Set the attributes of the new directories, deepest first; nothing in them changes any more."""
        for step in reversed(self._plan.steps):
            if step.path in self._new_directories and step.path not in self._outcome.failed:
                try:
                    dir_fd = self._tree.enter(paths.parent(step.path))
                    troubles = finish_directory(self._name(step.path), dir_fd, self._attributes(step))
                except OSError as error:
                    if exhausted(error):
                        raise Halt(step.path, error) from error
                    troubles = [explain(error)]
                if troubles:
                    self._outcome.trouble(step.path, *troubles)

    def sync(self) -> None:
        """Sync every file system that was written to. Raises Halt."""
        for path in self.devices.values():
            try:
                dir_fd = self._tree.enter(path)
                fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
            except OSError:
                os.sync()  # a directory that may be written but not read
                continue
            try:
                syscalls.sync_file_system(fd)
            except OSError as error:
                raise Halt(path, error) from error
            finally:
                os.close(fd)

    def touch(self, directory: bytes) -> int:
        """Enter ``directory``, whose names are about to change, and return its descriptor. Raises OSError."""
        dir_fd = self._tree.enter(directory)
        if directory not in self.touched:
            status = os.fstat(dir_fd)
            self.touched[directory] = status.st_mtime_ns
            self.devices.setdefault(status.st_dev, directory)
        return dir_fd

    def _announce_new(self, step: Step, records: list[Record]) -> None:
        assert step.wanted is not None
        temporary = None
        if paths.parent(step.path) not in self._new_directories:
            if not self._reach(step):
                return
            temporary = b".pacha-" + secrets.token_hex(8).encode()
            self.temporaries[step.path] = temporary
            if self.closing and not self.closing.keys().isdisjoint(paths.ancestors(step.path)):
                self.restricted.add(step.path)
        if step.wanted.kind is Kind.DIRECTORY:
            self._new_directories.add(step.path)
            if temporary is not None:
                self._tree.alias(step.path, temporary)
        records.append(self._made(step, step.wanted.mtime_ns))

    def _announce_real_time(self, step: Step, dir_fd: int, name: bytes) -> None:
        """Record the time that an entry really got, by which an undo recognises it."""
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        self._journal.write(self._made(step, status.st_mtime_ns))

    def _made(self, step: Step, mtime_ns: int) -> Created:
        assert step.wanted is not None
        return Created(
            path=step.path, temporary=self.temporaries.get(step.path), kind=step.wanted.kind,
            size=step.wanted.size, mtime_ns=mtime_ns,
            replaces=step.action is Action.REPLACE,
        )  # fmt: skip

    def _reach(self, step: Step) -> bool:
        parent = paths.parent(step.path)
        if parent in self._outcome.failed:
            self._outcome.fail(step.path, "its directory cannot be reached")
            return False
        if parent in self.touched:
            return True
        try:
            if step.action is Action.METADATA:
                status = os.fstat(self._tree.enter(parent))
                self.devices.setdefault(status.st_dev, parent)
            else:
                self.touch(parent)
        except OSError as error:
            self._outcome.fail(step.path, f"its directory cannot be reached: {explain(error)}")
            return False
        return True

    def _name(self, path: bytes) -> bytes:
        return self.temporaries.get(path) or paths.name(path)

    def _make(self, step: Step, parent: bytes, name: bytes) -> None:
        assert step.wanted is not None
        group = step.wanted.link_group
        if step.wanted.kind is Kind.DIRECTORY:
            make_directory(name, self._tree.enter(parent))
            return
        if group is not None and group in self._first and self._link(group, parent, name, step):
            return
        dir_fd, given = self._tree.enter(parent), self._attributes(step)
        if step.wanted.kind is Kind.FILE:
            new = make_file(name, dir_fd, step.wanted, given, self._source.content(step.wanted))
        else:
            new = make_other(name, dir_fd, step.wanted, given)
        if group is not None and new.inode is not None:
            self._first.setdefault(group, (step.wanted, new.inode))
        if new.troubles:
            self._outcome.trouble(step.path, *new.troubles)
            self._announce_real_time(step, self._tree.enter(parent), name)

    def _attributes(self, step: Step) -> Attributes:
        given = step.attributes._replace(inherited=self._inherited)
        return given._replace(mode=given.mode & PRIVATE) if step.path in self.restricted else given

    def _link(self, group: int, parent: bytes, name: bytes, step: Step) -> bool:
        """Make a hard link to the name written first. Return False where the two cannot share one inode."""
        entry, inode = self._first[group]
        first = entry.path
        assert step.wanted is not None
        if entry.kind is not step.wanted.kind or content_differs(step.wanted, entry):
            self._outcome.trouble(step.path, f"a copy, not a hard link: {escape(first)} was recorded as something else")
            return False
        source_fd = self._tree.hold(paths.parent(first))
        try:
            make_link(name, self._tree.enter(parent), self._name(first), source_fd, inode)
        except OSError as error:
            if exhausted(error):
                raise
            self._outcome.trouble(step.path, f"a copy, not a hard link: {explain(error)}")
            return False
        finally:
            os.close(source_fd)
        if first in self._outcome.troubled:
            self._announce_real_time(step, self._tree.enter(parent), name)
        return True

    @contextmanager
    def _failing(self, step: Step) -> Iterator[None]:
        """Where the body fails, report that and remove what it wrote. Raises Halt."""
        try:
            yield
        except OSError as error:
            if exhausted(error):
                raise Halt(step.path, error) from error
            self._outcome.fail(step.path, explain(error))
            self.discard(step)


def _changes_permissions(step: Step) -> bool:
    actual = step.actual
    if step.action is not Action.METADATA or actual is None or actual.kind is not Kind.DIRECTORY:
        return False
    return (step.uid, step.gid, step.mode, step.xattrs) != (actual.uid, actual.gid, actual.mode, actual.xattrs)
