"""The directories for kept originals: 0700, in the same mount of the same file system, beside the watched path."""

from __future__ import annotations

import os
import stat

from pacha.files import paths
from pacha.files.dirfd import DIRECTORY
from pacha.restore.dirfd import SafeDirectories
from pacha.restore.inode import Changed, exhausted
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Keeping, Touched
from pacha.restore.write import Writer
from pacha.system.inode_flags import stop_inheritance
from pacha.system.mounts import mount_id

_Place = tuple[int, int]  # st_dev and mount: rename(2) leaves neither


class BackupDirs:
    """Finds or creates the backup directory for the originals of a directory, and numbers them."""

    def __init__(self, roots: tuple[bytes, ...], journal: Journal, tree: SafeDirectories, writer: Writer) -> None:
        """Take the watched paths, the journal (whose ID names the folders) and the run's own parts."""
        self._roots, self._journal, self._tree, self._writer = roots, journal, tree, writer
        self._name = b".pacha-kept-" + os.fsencode(journal.id)
        self._folders: dict[bytes, bytes] = {}
        self._places: dict[bytes, _Place] = {}
        self._created: set[bytes] = set()
        self._number = 0

    def place(self, path: bytes) -> bytes:
        """Return a new path (bytes) to which ``path`` can be renamed. Raises OSError."""
        directory = paths.parent(path)
        if directory not in self._folders:
            self._folders[directory] = self._folder_for(directory)
        self._number += 1
        return b"%s/%06d" % (self._folders[directory], self._number)

    def _folder_for(self, directory: bytes) -> bytes:
        failure: OSError | None = None
        for home in self._homes(directory):
            folder = paths.prefix(home) + self._name
            try:
                return self._make(home, folder)
            except OSError as error:
                if exhausted(error):
                    raise
                failure = error  # not writable for us: try one level further down
        raise failure if failure is not None else FileNotFoundError(directory)

    def _homes(self, directory: bytes) -> list[bytes]:
        """Directories from beside the root down to ``directory``, as far as a rename can go from there."""
        place = self._place_of(directory)
        homes = [directory]
        top = min((root for root in self._roots if paths.is_within(directory, root)), key=len, default=directory)
        while directory not in (b"/", paths.parent(top)):
            directory = paths.parent(directory)
            if self._place_of(directory) != place:
                break
            homes.append(directory)
        return homes[::-1]

    def _place_of(self, directory: bytes) -> _Place:
        if directory not in self._places:
            fd = self._tree.enter(directory)
            self._places[directory] = os.fstat(fd).st_dev, mount_id(fd)
        return self._places[directory]

    def _make(self, home: bytes, folder: bytes) -> bytes:
        if folder not in self._created:
            if home not in self._writer.touched:
                self._writer.touch(home)
                self._journal.write(Touched(home, self._writer.touched[home]))
            self._journal.write(Keeping(folder))
            self._journal.sync()
            dir_fd = self._tree.enter(home)
            os.mkdir(self._name, 0o700, dir_fd=dir_fd)
            _take_every_project(self._name, dir_fd)
            self._created.add(folder)
        return folder


def _take_every_project(name: bytes, dir_fd: int) -> None:
    fd = os.open(name, DIRECTORY, dir_fd=dir_fd)
    try:
        stop_inheritance(fd)
    except OSError:
        pass  # then a rename says so of each original
    finally:
        os.close(fd)


def enter_kept(tree: SafeDirectories, folder: bytes) -> int:
    """Open a backup directory, which must be private and ours; the caller closes it. Raises OSError."""
    fd = tree.hold(folder)
    status = os.fstat(fd)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        os.close(fd)
        raise Changed("the folder of what was displaced is not ours any more")
    return fd
