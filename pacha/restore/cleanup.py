"""Clean up after an interrupted rebuild: temporary names, and originals not yet in their backup directory."""

from __future__ import annotations

import os

from pacha.files import paths
from pacha.restore.backup_dir import open_backup_dir
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import discard_new, inode_of
from pacha.restore.inode import open_inode, stamp
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Created, Displaced, Touched
from pacha.restore.relocate import rename


def remove_temporaries(journal: Journal, tree: SafeDirectories) -> None:
    """Remove an interrupted run's temporary names; first move the originals that have one to their backup directory.

    Paths that cannot be reached are skipped: the journal still names them.
    """
    journal.wait_for_writers()
    displaced = {record.path: record for record in journal.records if isinstance(record, Displaced)}
    for record in displaced.values():
        if record.temporary is not None:
            try:
                _finish_displacement(record, record.temporary, tree)
            except OSError:
                continue
    for created in journal.records:
        if isinstance(created, Created) and created.temporary is not None:
            old = displaced[created.path].old if created.path in displaced else None
            try:
                discard_new(created.temporary, tree.enter(paths.parent(created.path)), old)
            except OSError:
                continue


def restore_times(journal: Journal, tree: SafeDirectories) -> None:
    """Reset the times of directories whose names changed, deepest first."""
    touched = {record.path: record.mtime_ns for record in journal.records if isinstance(record, Touched)}
    for path in sorted(touched, reverse=True):
        try:
            with open_inode(b".", tree.enter(path)) as (reference, status):
                stamp(reference, status, touched[path])
        except OSError:
            continue  # missing, or another user's


def remove_empty_folders(journal: Journal, tree: SafeDirectories) -> None:
    """Remove the empty backup directories."""
    for path in journal.kept:
        try:
            os.rmdir(paths.name(path), dir_fd=tree.enter(paths.parent(path)))
        except OSError:
            continue  # missing, or not empty


def _finish_displacement(record: Displaced, temporary: bytes, tree: SafeDirectories) -> None:
    """Move an original to its backup directory, if the run was killed between exchanging the names and doing so."""
    with open_backup_dir(tree, paths.parent(record.kept)) as kept_fd:
        dir_fd = tree.enter(paths.parent(record.path))
        status = os.stat(temporary, dir_fd=dir_fd, follow_symlinks=False)
        if inode_of(status) == record.old:
            rename(temporary, dir_fd, paths.name(record.kept), kept_fd)
