"""The projects of files and directories (xfsctl(3)): set on new ones, and kept by originals that are put back.

rename(2) and link(2) refuse (EXDEV) a file of another project in a directory that passes on its own project. So a new
file gets its project only once everything is in its place.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from operator import or_

from pacha.files import paths
from pacha.files.dirfd import DIRECTORY, open_to_read
from pacha.files.entry import Kind, kind_of
from pacha.restore.compare import OF_A_PROJECT
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import Changed, explain
from pacha.restore.outcome import OutcomeBuilder
from pacha.restore.plan import Action, Plan, Step
from pacha.restore.relocate import rename
from pacha.system import inode_flags

_NEW = (Action.CREATE, Action.REPLACE)


def set_projects(plan: Plan, tree: SafeDirectories, outcome_builder: OutcomeBuilder) -> None:
    """Set the recorded project of everything that ``plan`` created, deepest first; report failures."""
    new = [step for step in plan.steps if step.action in _NEW and step.wanted and step.wanted.project is not None]
    has_projects = any(step.wanted and step.wanted.project for step in new)
    if not new or not (has_projects or passed_on(plan, tree) & OF_A_PROJECT):
        return
    for step in reversed(new):
        if step.path not in outcome_builder.failed:
            try:
                _set(step, tree)
            except OSError as error:
                outcome_builder.trouble(step.path, f"{_command(step)} not set: {explain(error)}")


def passed_on(plan: Plan, tree: SafeDirectories) -> int:
    """The flags of the directories in and above the roots that were there before: what is made in one gets some."""
    there = [step.actual.flags for step in plan.steps if step.actual and step.actual.kind is Kind.DIRECTORY]
    return reduce(or_, [*there, *(_flags_above(root, tree) for root in plan.roots)], 0)


def rename_in(name: bytes, dir_fd: int, to: bytes, to_fd: int) -> None:
    """rename(2), also into a directory that passes on another project than ``name`` has. Raises OSError."""
    try:
        rename(name, dir_fd, to, to_fd)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with _open(b".", to_fd) as directory, _open(name, dir_fd) as fd:
            original = inode_flags.project(fd)
            inode_flags.set_project(fd, inode_flags.project(directory))
            try:
                rename(name, dir_fd, to, to_fd)
            finally:
                inode_flags.set_project(fd, original)


def _flags_above(root: bytes, tree: SafeDirectories) -> int:
    """The flags of the nearest directory above ``root``; 0 where its file system has none, or it may not be read."""
    for directory in paths.ancestors(root):
        try:
            with _open(b".", tree.enter(directory)) as fd:
                return inode_flags.flags(fd)
        except FileNotFoundError:
            continue  # it is made first
        except OSError:
            return 0
    return 0


def _set(step: Step, tree: SafeDirectories) -> None:
    """Set the project of a path. Raises OSError, but not where there is none to set and none are supported."""
    assert step.wanted is not None
    wanted = step.wanted
    with _open(paths.name(step.path), tree.enter(paths.parent(step.path))) as fd:
        status = os.fstat(fd)
        is_unshared = status.st_nlink == 1 or wanted.kind is Kind.DIRECTORY or wanted.link_group is not None
        if kind_of(status.st_mode) is not wanted.kind or status.st_uid != step.uid or not is_unshared:
            raise Changed("somebody else changed it meanwhile")
        try:
            inode_flags.set_project(fd, wanted.project or 0, inherit=bool(wanted.flags & OF_A_PROJECT))
        except OSError:
            if wanted.project or wanted.flags & OF_A_PROJECT:
                raise


def _command(step: Step) -> str:
    assert step.wanted is not None
    flag = " +P" if step.wanted.flags & OF_A_PROJECT else ""
    return f"chattr{flag} -p {step.wanted.project}"


@contextmanager
def _open(name: bytes, dir_fd: int) -> Iterator[int]:
    fd = os.open(name, DIRECTORY, dir_fd=dir_fd) if name == b"." else open_to_read(name, dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)
