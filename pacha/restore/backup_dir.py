"""Directories for the originals that a rebuild displaces: private (0700), and reachable by rename(2).

Each lies beside the watched path, or as near to it as this user may write on the same mount of the same file system.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from pacha.files import paths
from pacha.files.dirfd import DIRECTORY
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import Changed, exhausted
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Keeping, Touched
from pacha.restore.write import Writer
from pacha.system.inode_flags import stop_inheritance
from pacha.system.mounts import mount_id

_Mount = tuple[int, int]  # st_dev and mount: rename(2) leaves neither


class BackupDirs:
    """Finds or creates the backup directory for the originals of a directory, and numbers them."""

    def __init__(self, roots: tuple[bytes, ...], journal: Journal, tree: SafeDirectories, writer: Writer) -> None:
        """``roots`` are the watched paths; the ID of ``journal`` names the directories."""
        self._roots, self._journal, self._tree, self._writer = roots, journal, tree, writer
        self._name = b".pacha-kept-" + os.fsencode(journal.id)
        self._folders: dict[bytes, bytes] = {}
        self._mounts: dict[bytes, _Mount] = {}
        self._created: set[bytes] = set()
        self._number = 0

    def place(self, path: bytes) -> bytes:
        """Return an unused path (bytes) to which ``path`` can be renamed. Raises OSError."""
        directory = paths.parent(path)
        if directory not in self._folders:
            self._folders[directory] = self._folder_for(directory)
        self._number += 1
        return b"%s/%06d" % (self._folders[directory], self._number)

    def _folder_for(self, directory: bytes) -> bytes:
        failure: OSError | None = None
        for home in self._candidates(directory):
            folder = paths.prefix(home) + self._name
            try:
                return self._make(home, folder)
            except OSError as error:
                if exhausted(error):
                    raise
                failure = error  # not writable for this user: try one level further down
        raise failure if failure is not None else FileNotFoundError(directory)

    def _candidates(self, directory: bytes) -> list[bytes]:
        """The directories from the parent of the root down to ``directory`` that are on the same mount."""
        mount = self._mount_of(directory)
        candidates = [directory]
        top = min((root for root in self._roots if paths.is_within(directory, root)), key=len, default=directory)
        while directory not in (b"/", paths.parent(top)):
            directory = paths.parent(directory)
            if self._mount_of(directory) != mount:
                break
            candidates.append(directory)
        return candidates[::-1]

    def _mount_of(self, directory: bytes) -> _Mount:
        if directory not in self._mounts:
            fd = self._tree.enter(directory)
            self._mounts[directory] = os.fstat(fd).st_dev, mount_id(fd)
        return self._mounts[directory]

    def _make(self, home: bytes, folder: bytes) -> bytes:
        if folder not in self._created:
            if home not in self._writer.touched:
                self._writer.touch(home)
                self._journal.write(Touched(home, self._writer.touched[home]))
            self._journal.write(Keeping(folder))
            self._journal.sync()
            dir_fd = self._tree.enter(home)
            os.mkdir(self._name, 0o700, dir_fd=dir_fd)
            _accept_every_project(self._name, dir_fd)
            self._created.add(folder)
        return folder


def _accept_every_project(name: bytes, dir_fd: int) -> None:
    fd = os.open(name, DIRECTORY, dir_fd=dir_fd)
    try:
        stop_inheritance(fd)
    except OSError:
        pass  # then each rename of an original that has another project fails, and is reported
    finally:
        os.close(fd)


@contextmanager
def open_backup_dir(tree: SafeDirectories, folder: bytes) -> Iterator[int]:
    """Yield a descriptor of a backup directory. Raises OSError; Changed unless it is private and this user's."""
    fd = tree.hold(folder)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise Changed("the folder of what was displaced is not ours any more")
        yield fd
    finally:
        os.close(fd)
