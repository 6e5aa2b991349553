"""The first half of a rebuild: write everything new beside its place, and change no target.

A directory that does not exist yet is grown whole under a temporary name, so that its tree appears at once.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from pacha.files import paths
from pacha.files.metadata import Entry, Kind
from pacha.restore.compare import content_differs
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import (
    Inode,
    NewEntry,
    discard,
    dress_directory,
    make_directory,
    make_file,
    make_link,
    make_other,
)
from pacha.restore.inode import EXHAUSTED, explain
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Created, Record, Touched
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.ownership import PRIVATE, Attributes
from pacha.restore.plan import Action, Plan, Step
from pacha.system import syscalls
from pacha.text import escape


class ContentSource(Protocol):
    """Where the content of files comes from."""

    def content(self, entry: Entry) -> Iterator[bytes]:
        """Yield the bytes of a file in chunks. Raise DamagedError if they are not to be had."""


class Halt(Exception):
    """The disk, not one path, is at fault: ``path`` and the OSError that said so."""

    def __init__(self, path: bytes, error: OSError) -> None:
        super().__init__(path, error)
        self.path = path
        self.error = error


class Writer:
    """Writes what a plan creates or replaces. Afterwards ``temporaries`` tells what is to be put in place."""

    def __init__(
        self,
        plan: Plan,
        source: ContentSource,
        journal: Journal,
        descent: SafeDirectories,
        outcome_builder: OutcomeBuilder,
    ) -> None:
        """Take the plan, where content comes from, and what to write down and report in."""
        self._plan, self._source, self._journal = plan, source, journal
        self._descent, self._tally = descent, outcome_builder
        #: the name beside its target, by path, of everything that is to be put in place by itself
        self.temporaries: dict[bytes, bytes] = {}
        #: directories whose names change, and their times of before in nanoseconds
        self.touched: dict[bytes, int] = {}
        #: one directory on each file system that is written to, by st_dev
        self.devices: dict[int, bytes] = {}
        #: directories that are there and get another owner or mode: until then others may look into them
        self.closing = frozenset(step.path for step in plan.steps if _closes(step))
        #: what is to be put below one of these: until that is closed, its owner's alone
        self.veiled: set[bytes] = set()
        self._growing: set[bytes] = set()
        self._first: dict[int, tuple[Entry, Inode]] = {}

    def announce(self) -> None:
        """Choose all temporary names, reach every directory, and bring it all to the journal."""
        records: list[Record] = []
        for step in self._plan.steps:
            if step.action in (Action.CREATE, Action.REPLACE):
                self._announce_new(step, records)
            elif step.action is Action.METADATA or (step.action is Action.EXTRA and self._plan.delete):
                self._reach(step)
        touched = (Touched(path, mtime_ns) for path, mtime_ns in self.touched.items())
        self._journal.write(*touched, *records)
        self._journal.sync()

    def write(self, step: Step) -> None:
        """Make one entry under its temporary name. Raise Halt, DamagedError."""
        if step.path in self._tally.failed:
            return
        parent, name = paths.parent(step.path), self._name(step.path)
        if parent in self._tally.failed:
            self._tally.fail(step.path, "its directory could not be made")
            return
        try:
            self._make(step, parent, name)
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise Halt(step.path, error) from error
            self._tally.fail(step.path, explain(error))
            self._discard(parent, name)

    def finish_directories(self) -> None:
        """Give the new directories their attributes, deepest first: nothing in them changes any more."""
        for step in reversed(self._plan.steps):
            if step.path in self._growing and step.path not in self._tally.failed:
                try:
                    dir_fd = self._descent.enter(paths.parent(step.path))
                    troubles = dress_directory(self._name(step.path), dir_fd, self._attributes(step))
                except OSError as error:
                    if error.errno in EXHAUSTED:
                        raise Halt(step.path, error) from error
                    troubles = [explain(error)]
                if troubles:
                    self._tally.trouble(step.path, *troubles)

    def sync(self) -> None:
        """Bring every file system that was written to onto its disk. Raise Halt."""
        for path in self.devices.values():
            try:
                dir_fd = self._descent.enter(path)
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
        """Enter ``directory``, in which names are about to change. Return its descriptor. Raise OSError."""
        dir_fd = self._descent.enter(directory)
        if directory not in self.touched:
            status = os.fstat(dir_fd)
            self.touched[directory] = status.st_mtime_ns
            self.devices.setdefault(status.st_dev, directory)
        return dir_fd

    def _announce_new(self, step: Step, records: list[Record]) -> None:
        assert step.wanted is not None
        temporary = None
        if paths.parent(step.path) not in self._growing:
            if not self._reach(step):
                return
            temporary = b".pacha-" + secrets.token_hex(8).encode()
            self.temporaries[step.path] = temporary
            if self.closing and not self.closing.isdisjoint(paths.ancestors(step.path)):
                self.veiled.add(step.path)
        if step.wanted.kind is Kind.DIRECTORY:
            self._growing.add(step.path)
            if temporary is not None:
                self._descent.alias(step.path, temporary)
        records.append(self._made(step, step.wanted.mtime_ns))

    def _announce_as_it_is(self, step: Step, dir_fd: int, name: bytes) -> None:
        """Undo knows what was made by its time: tell it the one that it got."""
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        self._journal.write(self._made(step, status.st_mtime_ns))

    def _made(self, step: Step, mtime_ns: int) -> Created:
        assert step.wanted is not None
        return Created(
            step.path, self.temporaries.get(step.path), step.wanted.kind.value, step.wanted.size, mtime_ns,
            step.action is Action.REPLACE,
        )  # fmt: skip

    def _reach(self, step: Step) -> bool:
        parent = paths.parent(step.path)
        if parent in self._tally.failed:
            self._tally.fail(step.path, "its directory cannot be reached")
            return False
        if parent in self.touched:
            return True
        try:
            if step.action is Action.METADATA:
                status = os.fstat(self._descent.enter(parent))
                self.devices.setdefault(status.st_dev, parent)
            else:
                self.touch(parent)
        except OSError as error:
            self._tally.fail(step.path, f"its directory cannot be reached: {explain(error)}")
            return False
        return True

    def _name(self, path: bytes) -> bytes:
        return self.temporaries.get(path) or paths.name(path)

    def _make(self, step: Step, parent: bytes, name: bytes) -> None:
        assert step.wanted is not None
        group = step.wanted.link_group
        if step.wanted.kind is Kind.DIRECTORY:
            make_directory(name, self._descent.enter(parent))
            return
        if group is not None and group in self._first and self._link(group, parent, name, step):
            return
        fresh = self._make_fresh(step, step.wanted, self._descent.enter(parent), name)
        if group is not None:
            self._first.setdefault(group, (step.wanted, fresh.inode))
        if fresh.troubles:
            self._tally.trouble(step.path, *fresh.troubles)
            self._announce_as_it_is(step, self._descent.enter(parent), name)

    def _make_fresh(self, step: Step, wanted: Entry, dir_fd: int, name: bytes) -> NewEntry:
        if wanted.kind is Kind.FILE:
            return make_file(name, dir_fd, wanted, self._attributes(step), self._source.content(wanted))
        return make_other(name, dir_fd, wanted, self._attributes(step))

    def _attributes(self, step: Step) -> Attributes:
        given = step.attributes
        return replace(given, mode=given.mode & PRIVATE) if step.path in self.veiled else given

    def _link(self, group: int, parent: bytes, name: bytes, step: Step) -> bool:
        """Make a further name of what was written first; False if the two cannot share one inode."""
        entry, inode = self._first[group]
        first = entry.path
        assert step.wanted is not None
        if entry.kind is not step.wanted.kind or content_differs(step.wanted, entry):
            self._tally.trouble(step.path, f"a copy, not a hard link: {escape(first)} was recorded as something else")
            return False
        source_fd = self._descent.hold(paths.parent(first))
        try:
            make_link(name, self._descent.enter(parent), self._name(first), source_fd, inode)
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            self._tally.trouble(step.path, f"a copy, not a hard link: {explain(error)}")
            return False
        finally:
            os.close(source_fd)
        if first in self._tally.troubled:
            self._announce_as_it_is(step, self._descent.enter(parent), name)
        return True

    def _discard(self, parent: bytes, name: bytes) -> None:
        try:
            discard(name, self._descent.enter(parent))
        except OSError:
            pass  # named already; the journal knows it and the next run removes it


def _closes(step: Step) -> bool:
    found = step.found
    if step.action is not Action.METADATA or found is None or found.kind is not Kind.DIRECTORY:
        return False
    return (step.uid, step.gid, step.mode, step.xattrs) != (found.uid, found.gid, found.mode, found.xattrs)
