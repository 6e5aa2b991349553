"""Move what a master has of a host besides its keys: the folder, the hooks, the last check.

Each is renamed by descriptors: nothing is copied or read, and no existing folder is replaced. After a killed run, the
next one does the rest: it skips what has moved already.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pacha.errors import PachaError
from pacha.files.dirfd import DIRECTORY
from pacha.server.retired import CHECK, FOLDER, HOOKS
from pacha.system.syscalls import UNSUPPORTED, rename_new, sync_file
from pacha.text import escape


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """A name in an open folder, whether or not something is there."""

    above: int
    name: bytes

    def is_there(self) -> bool:
        """Whether it exists, link or not. Raises OSError."""
        try:
            os.stat(self.name, dir_fd=self.above, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the parts of a host are, or would be; None where even the folder above is missing."""

    folder: FolderEntry
    hooks: FolderEntry | None
    check: FolderEntry | None


def live(hosts_path: bytes, host: str, held: ExitStack, *, make: bool = False) -> Places:
    """The places of ``host`` among the hosts, open as long as ``held`` is (``make``: all of them). Raises OSError."""
    name = os.fsencode(host)

    def place(folder: bytes, mode: int, name: bytes) -> FolderEntry | None:
        path = os.path.join(hosts_path, folder)
        if not os.path.lexists(path):
            if not make:
                return None
            os.mkdir(path, mode)
        return FolderEntry(_opened(path, held), name)

    return Places(
        folder=FolderEntry(_opened(hosts_path, held, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), name),
        hooks=place(b".hooks", 0o755, name),
        check=place(b".pacha", 0o700, name + b".json"),
    )


def archived(archive: int) -> Places:
    """The places in the open ``archive`` of a retired host."""
    folder, hooks, check = (FolderEntry(archive, name) for name in (FOLDER, HOOKS, CHECK))
    return Places(folder=folder, hooks=hooks, check=check)


def move_folder(source: Places, target: Places) -> None:
    """Move the host's folder. Raises OSError."""
    _move(source.folder, target.folder)


def move_rest(source: Places, target: Places) -> None:
    """Move the hooks and the last check, where there are any. Raises OSError."""
    if source.hooks and target.hooks:
        _move(source.hooks, target.hooks)
    if source.check and target.check and source.check.is_there():
        os.replace(source.check.name, target.check.name, src_dir_fd=source.check.above, dst_dir_fd=target.check.above)


def owner_of(hosts_path: bytes, host: str) -> os.stat_result:
    """The status of the host's folder. Raises PachaError for none, and for a link."""
    path = os.path.join(hosts_path, os.fsencode(host))
    try:
        status = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise PachaError(
            f"There is no host '{host}' in {escape(hosts_path)}.",
            error.strerror or "",
            "See: pacha hosts",
            code="no-such-host",
        ) from None
    if not stat.S_ISDIR(status.st_mode):
        raise PachaError(
            f"{escape(path)} is not a folder.",
            "nothing here follows a link",
            "Move the folder itself there, then run this again.",
            code="host-folder-linked",
        )
    return status


def account_of(uid: int, name: str | None = None) -> pwd.struct_passwd | None:
    """The account with this number, and this name if given; None if there is none (any more)."""
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        return None
    return user if name in (None, user.pw_name) else None


@contextmanager
def explained(host: str) -> Iterator[None]:
    """Translate errors of the system."""
    try:
        yield
    except OSError as error:
        path = f" ({escape(os.fsencode(error.filename))})" if isinstance(error.filename, str | bytes) else ""
        raise PachaError(
            f"What is kept of '{host}' cannot be moved.",
            f"{error.strerror}{path}",
            "Remove the cause (a mount point has to be unmounted first) and run the same command again: it goes on "
            "where it stopped.",
            code="host-not-moved",
        ) from None


def _opened(path: bytes, held: ExitStack, flags: int = DIRECTORY) -> int:
    fd = os.open(path, flags)
    held.callback(os.close, fd)
    return fd


def _move(source: FolderEntry, target: FolderEntry) -> None:
    if not source.is_there():
        return
    try:
        rename_new(source.name, source.above, target.name, target.above)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        if target.is_there():
            raise FileExistsError(17, os.strerror(17), target.name) from None
        os.rename(source.name, target.name, src_dir_fd=source.above, dst_dir_fd=target.above)
    for above in {source.above, target.above}:
        sync_file(above)
