"""A host's folder on the master, for ``pacha serve``: the host may have forged its content.

Everything goes through directory descriptors and follows no link. Mercurial and scp open by path; so a repository is
walked first, and refused if it has anything but files and folders.
"""

from __future__ import annotations

import errno
import os
import pwd
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.files.dirfd import READ, DirectoryFds
from pacha.files.names import DATABASE
from pacha.server import retired
from pacha.server.command_filter import is_repository
from pacha.server.repository_tree import LOOK_THERE, check_half_made, check_plain
from pacha.system.syscalls import sync_file, sync_file_system
from pacha.text import escape
from pacha.wire import control
from pacha.wire.claimed_folder import claimed, remove
from pacha.wire.local_store import check_holes, read_heartbeat, read_purged, unreadable_heartbeat
from pacha.wire.master import (
    CHANGELOG_OF_ANY,
    HEARTBEAT,
    HG,
    HG_REQUIRES,
    PURGED,
    REQUIRES,
    STORE,
    NoRepository,
    Probe,
    digest_of_stream,
)
from pacha.wire.remote_errors import add_host, add_host_or_give

NOTE_MAX = 16 * 1024  #: bytes of a heartbeat
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WORKING = frozenset([b"share-safe"])
_ROOM = "Make room on the master; the next push sends what is missing."


@dataclass(frozen=True, slots=True)
class HostDirectory:
    """The folder of ``host`` below ``hosts_path``. Raises PachaError, also for errors of the system."""

    hosts_path: bytes
    host: str

    @property
    def path(self) -> bytes:
        """The path of the folder."""
        return os.path.join(self.hosts_path, os.fsencode(self.host))

    def probe(self, may: frozenset[str]) -> Probe:
        """The clock, and the changelogs of ``db`` and the other repositories."""
        digests = {name: self.digest(f"{name}/{CHANGELOG_OF_ANY}") for name in self._names()}
        contents = {name: digest for name, digest in digests.items() if digest is not None}
        return Probe(time.time(), contents.get(DATABASE), may, contents, self.digest(PURGED))

    def _names(self) -> list[str]:
        """The names of possible repositories, at most as many as fit into a line of the control channel."""
        with self.explained(""), self._descent() as descent:
            names = sorted(os.listdir(descent.directory(b"")), key=lambda name: (name != DATABASE, name))
            return [name for name in names if is_repository(name)][: control.MOST_TOLD]

    def digest(self, relative: str) -> str | None:
        """The sha256 (hex) of a file below the folder, None if it is missing."""
        with self.explained(relative):
            try:
                with self._descent() as descent:
                    directory, name = descent.parent(os.fsencode(relative))
                    path = os.path.join(self.path, os.fsencode(relative))
                    return _sha256(os.open(name, READ, dir_fd=directory), path)
            except FileNotFoundError:
                return None

    def make(self) -> None:
        """Make the folder, 0700, if it is missing and the host was not retired."""
        if retired.is_retired(self.hosts_path, self.host):
            raise retired.away(self.path, self.host)
        with self.explained(""), DirectoryFds(self.hosts_path) as descent:
            try:
                os.mkdir(os.fsencode(self.host), 0o700, dir_fd=descent.directory(b""))
            except FileExistsError:
                pass

    def examine(self) -> tuple[bool, int]:
        """Whether the folder is writable, and how many bytes are free there."""
        with self.explained(""), self._descent() as descent:
            folder = descent.directory(b"")
            room = os.fstatvfs(folder)
            return os.access(b"/proc/self/fd/%d" % folder, os.W_OK), room.f_bavail * room.f_frsize

    def note(self, text: bytes) -> None:
        """Write the heartbeat to a temporary file."""
        if len(text) > NOTE_MAX:
            raise PachaError(
                "The heartbeat is too long.",
                f"more than {NOTE_MAX} bytes",
                "Bring Pacha on the host up to date.",
                code="heartbeat-too-long",
            )
        self._write_new(HEARTBEAT, text)

    def beat(self) -> None:
        """Put the heartbeat in its place."""
        self._rename(f"{HEARTBEAT}.new", HEARTBEAT)

    def last_push(self) -> bytes | None:
        """The unparsed heartbeat; None if there is none."""
        try:
            with self.explained(HEARTBEAT), self._descent() as descent:
                return read_heartbeat(descent.directory(b""))
        except ValueError as error:
            raise unreadable_heartbeat(error) from None

    def purged(self) -> bytes | None:
        """The record of what was purged; None if there is none."""
        with self.explained(PURGED), self._descent() as descent:
            return read_purged(descent.directory(b""))

    def record_purged(self, text: bytes) -> None:
        """Replace the record of what was purged, and sync it."""
        self._write_new(PURGED, text)
        self._rename(f"{PURGED}.new", PURGED)

    def place(self, temporary: str, name: str) -> None:
        """Give a temporary repository its name. It can replace only an empty folder."""
        self._rename(temporary, name)

    def sync(self) -> None:
        """Write the file system of the folder to the disk."""
        with self.explained(""), self._descent() as descent:
            sync_file_system(descent.directory(b""))

    def repository(self, name: str, requirements: frozenset[bytes]) -> str:
        """The path of the repository ``name``, after a check that no link in it leads elsewhere.

        Its format may have no other than these ``requirements``. Raises NoRepository, DamagedError.
        """
        with self.explained(name), self._descent() as descent:
            self._check_format(descent, name, requirements)
            check_plain(descent.directory(os.fsencode(f"{name}/{HG}")), f"{name}/{HG}")
        return os.fsdecode(os.path.join(self.path, os.fsencode(name)))

    @contextmanager
    def store(self, name: str, requirements: frozenset[bytes]) -> Iterator[int]:
        """The descriptor of the store of the repository ``name``; ``requirements``: as for ``repository``.

        The content of the store is not checked. Raises NoRepository, DamagedError.
        """
        with self.explained(name), self._descent() as descent:
            self._check_format(descent, name, requirements)
            yield descent.directory(os.fsencode(f"{name}/{STORE}"))

    def _check_format(self, descent: DirectoryFds, name: str, requirements: frozenset[bytes]) -> None:
        if not self._requirements(descent, name) <= requirements | _WORKING:
            raise DamagedError(
                f"The repository {name} is of a format that Pacha does not serve.",
                "",
                "Install a later Pacha on the master.",
                code="repository-format-unknown",
            )

    def room_for(self, name: str) -> str | None:
        """The path at which to make the repository ``name``, cleared of a half-made one; None if it exists."""
        with self.explained(name), self._descent() as descent:
            remove(f".new-{name}", descent.directory(b""))
            try:
                self._requirements(descent, name)
                return None
            except NoRepository:
                if name in os.listdir(descent.directory(b"")):
                    check_half_made(descent, name)
                    remove(name, descent.directory(b""))
        return os.fsdecode(os.path.join(self.path, os.fsencode(name)))

    @contextmanager
    def claim_temporary(self, temporary: str, name: str) -> Iterator[str | None]:
        """The path below ``temporary`` at which to make the repository ``name``; None while another process makes it.

        Removes what a killed process left there, and at the end a repository that did not get its name.
        """
        with self._descent() as descent, ExitStack() as stack:
            with self.explained(temporary):
                is_ours = stack.enter_context(claimed(temporary, descent.directory(b"")))
            path = os.path.join(self.path, os.fsencode(temporary), os.fsencode(name))
            yield os.fsdecode(path) if is_ours else None

    def _requirements(self, descent: DirectoryFds, name: str) -> frozenset[bytes]:
        """The requirements of the repository's format. Raises NoRepository for none, or a half-made one."""
        requirements: set[bytes] = set()
        for place in (HG_REQUIRES, REQUIRES):
            try:
                directory, last = descent.parent(os.fsencode(f"{name}/{place}"))
                with open(os.open(last, READ, dir_fd=directory), "rb") as stream:
                    requirements |= set(stream.read(NOTE_MAX).split())
            except FileNotFoundError:
                if place == REQUIRES and b"share-safe" not in requirements and requirements:
                    continue
                raise NoRepository(
                    f"The repository {name} is not found.", "", "The next push makes it.", code="repository-not-found"
                ) from None
        return frozenset(requirements)

    def _write_new(self, name: str, text: bytes) -> None:
        """Write ``text`` to a temporary file beside ``name``, and sync it."""
        with self.explained(name), self._descent() as descent:
            fd = os.open(f"{name}.new", _WRITE, 0o600, dir_fd=descent.directory(b""))
            with open(fd, "wb") as stream:
                stream.write(text)
                stream.flush()
                sync_file(stream.fileno())

    def _rename(self, source: str, target: str) -> None:
        with self.explained(target), self._descent() as descent:
            folder = descent.directory(b"")
            os.rename(source, target, src_dir_fd=folder, dst_dir_fd=folder)

    @contextmanager
    def _descent(self) -> Iterator[DirectoryFds]:
        """Descriptors below the host's folder, which may not be a link."""
        with DirectoryFds(self.hosts_path) as above:
            descent = DirectoryFds(b"/proc/self/fd/%d" % above.directory(os.fsencode(self.host)))
        with descent:
            yield descent

    @contextmanager
    def explained(self, relative: str) -> Iterator[None]:
        """Turn an error of the system over the path ``relative`` to the folder ("": the folder) into a PachaError."""
        path = os.path.join(self.path, os.fsencode(relative)) if relative else self.path
        try:
            yield
        except FileNotFoundError as error:
            if retired.is_retired(self.hosts_path, self.host):
                raise retired.away(path, self.host) from None
            raise UnreachableError(
                f"{escape(path)} is not on the master.",
                error.strerror or "",
                add_host(self.host, _account()),
                code="host-folder-missing",
            ) from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise PachaError(
                    f"{escape(path)} cannot be written.", error.strerror or "", _ROOM, code="host-folder-unwritable"
                ) from None
            closed = error.errno == errno.EACCES
            hint = add_host_or_give(self.host, _account(), self.path) if closed else LOOK_THERE
            raise UnreachableError(
                f"{escape(path)} cannot be used.", error.strerror or "", hint, code="host-folder-denied"
            ) from None


def _account() -> str:
    """The account of this process."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _sha256(fd: int, path: bytes) -> str:
    """The sha256 (hex) of the open file ``fd``, which is closed. Raises DamagedError for a file mostly of holes."""
    with open(fd, "rb") as stream:
        status = os.fstat(fd)
        check_holes(status.st_size, status.st_blocks * 512, path)
        return digest_of_stream(stream)
