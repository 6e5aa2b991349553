"""Remove what an interrupted rebuild left: temporary names, and originals half-way to their directory."""

from __future__ import annotations

import os

from pacha.files import paths
from pacha.restore.backup_dir import enter_kept
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.entries import discard_new, inode_of
from pacha.restore.inode import open_inode, stamp
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Created, Displaced, Keeping, Root, Touched


def roots_of(journal: Journal) -> tuple[bytes, ...]:
    """Return the watched paths of a journalled rebuild."""
    return tuple(record.path for record in journal.records if isinstance(record, Root))


def remove_temporaries(journal: Journal, descent: SafeDirectories) -> None:
    """Remove a killed run's temporary names; first bring originals that got stuck under one to safety.

    What cannot be reached any more is passed over: the journal still tells of it.
    """
    stuck = {record.path: record for record in journal.records if isinstance(record, Displaced)}
    for record in stuck.values():
        if record.temporary is not None:
            try:
                _finish_displacement(record, record.temporary, descent)
            except OSError:
                continue
    for made in journal.records:
        if isinstance(made, Created) and made.temporary is not None:
            old = stuck[made.path].old if made.path in stuck else None
            try:
                discard_new(made.temporary, descent.enter(paths.parent(made.path)), old)
            except OSError:
                continue


def restore_times(journal: Journal, descent: SafeDirectories) -> None:
    """Give directories in which names came and went the times that they had before, deepest first."""
    touched = {record.path: record.mtime_ns for record in journal.records if isinstance(record, Touched)}
    for path in sorted(touched, reverse=True):
        try:
            with open_inode(b".", descent.enter(path)) as (reference, status):
                stamp(reference, status, touched[path])
        except OSError:
            continue  # it is not there (any more), or not ours


def remove_empty_folders(journal: Journal, descent: SafeDirectories) -> None:
    """Remove the folders for displaced originals that hold none."""
    for record in journal.records:
        if isinstance(record, Keeping):
            try:
                os.rmdir(paths.name(record.path), dir_fd=descent.enter(paths.parent(record.path)))
            except OSError:
                continue  # not made, gone, or not empty


def _finish_displacement(record: Displaced, temporary: bytes, descent: SafeDirectories) -> None:
    """A kill between the exchange of two names and the move into the folder: make the move."""
    kept_fd = enter_kept(descent, paths.parent(record.kept))
    try:
        dir_fd = descent.enter(paths.parent(record.path))
        status = os.stat(temporary, dir_fd=dir_fd, follow_symlinks=False)
        if inode_of(status) == record.old:
            os.rename(temporary, paths.name(record.kept), src_dir_fd=dir_fd, dst_dir_fd=kept_fd)
    finally:
        os.close(kept_fd)
