"""Directories as descriptors: reach every path of a rebuild one component at a time, with O_NOFOLLOW.

At and below a watched path (a root) no symbolic link is followed. Above it, a link is followed only if every component
before it belongs to root or the running user and nobody else can write there, so that no other local user can redirect
a rebuild. Below the root of another machine, a link that leads out of it is refused: it means a path on that machine.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from pacha.files import paths

_OPEN = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # path_resolution(7)
_LEAVES = "a symbolic link on the way leads out of the target"
_CAPACITY = 64  # cached descriptors; fewer where a quarter of RLIMIT_NOFILE is less


class LinkRefused(OSError):
    """A symbolic link above a watched path is refused: another user could have made it, or it leads out."""

    def __init__(self, path: bytes, reason: str = "a symbolic link on the way could be another user's") -> None:
        super().__init__(errno.ELOOP, reason, path)


@dataclass(slots=True)
class _Directory:
    """An open directory. ``trusted``: only root and this user can write to it and to those above it."""

    fd: int
    trusted: bool
    linked: bool  #: a symbolic link was followed on the way


class SafeDirectories:
    """A context manager that opens directories by absolute path (bytes) and caches some of the descriptors."""

    def __init__(self, roots: Sequence[bytes], confined_to: bytes = b"") -> None:
        """``roots``: the watched paths; ``confined_to``: a folder that no link below it may leave (b"": none)."""
        self._roots = tuple(roots)
        self._confined_to = confined_to
        self._outermost: tuple[int, int] | None = None
        self._cached: dict[bytes, _Directory] = {}
        self._aliases: dict[bytes, bytes] = {}
        self._owners = frozenset({0, os.geteuid()})
        self._capacity = max(1, min(_CAPACITY, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4))

    def __enter__(self) -> SafeDirectories:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.forget()

    def enter(self, path: bytes) -> int:
        """Return an O_PATH descriptor of the directory ``path``.

        It belongs to this object, which closes it when its cache is full: use it before the next call. Raises OSError
        (LinkRefused; NotADirectoryError for a link at or below a root).
        """
        directory = self._cached.pop(path, None)
        if directory is None:
            directory = self._descend(path)
        self._cached[path] = directory  # most recently used last
        return directory.fd

    def hold(self, path: bytes) -> int:
        """Return a descriptor as ``enter`` does, which the caller closes."""
        return os.dup(self.enter(path))

    def alias(self, path: bytes, name: bytes) -> None:
        """From now on reach ``path`` under its temporary ``name`` in its parent."""
        self._aliases[path] = name

    def aliases(self, folder: bytes) -> dict[bytes, bytes]:
        """Return, by path, the temporary names of ``folder`` and of the directories above it."""
        return {path: self._aliases[path] for path in (folder, *paths.ancestors(folder)) if path in self._aliases}

    def in_place(self, path: bytes) -> None:
        """From now on reach ``path`` under its own name; open descriptors stay valid."""
        self._aliases.pop(path, None)

    def forget(self) -> None:
        """Close all descriptors."""
        for directory in self._cached.values():
            os.close(directory.fd)
        self._cached.clear()

    def _descend(self, path: bytes) -> _Directory:
        missing = []
        while path not in self._cached and path != b"/":
            missing.append(path)
            path = paths.parent(path)
        if path not in self._cached:
            self._cache(b"/", self._examine(os.open(b"/", _OPEN), None))
        directory = self._cached[path]
        for step in reversed(missing):
            name = self._aliases.get(step) or step.rpartition(b"/")[2]
            if paths.is_within_any(step, self._roots):
                directory = _Directory(os.open(name, _OPEN, dir_fd=directory.fd), directory.trusted, directory.linked)
            else:
                directory = self._step_above(directory, name, step)
            self._cache(step, directory)
        return self._cached.pop(missing[0] if missing else path)

    def _cache(self, path: bytes, directory: _Directory) -> None:
        while len(self._cached) >= self._capacity:
            oldest = next(iter(self._cached))
            os.close(self._cached.pop(oldest).fd)
        self._cached[path] = directory
        if path == self._confined_to:
            self._outermost = _identity(directory.fd)

    def _step_above(self, directory: _Directory, name: bytes, path: bytes) -> _Directory:
        reached = self._walk(directory, [name], path)
        if reached.linked and not reached.trusted:
            os.close(reached.fd)
            raise LinkRefused(path)
        return reached

    def _walk(self, start: _Directory, names: list[bytes], path: bytes) -> _Directory:
        """Descend from ``start`` through ``names`` (last one first), and follow trusted links."""
        directory, links = _Directory(os.dup(start.fd), start.trusted, start.linked), 0
        inside = bool(self._confined_to) and paths.is_within(path, self._confined_to)
        try:
            while names:
                name = names.pop()
                if inside and name == b".." and self._outermost == _identity(directory.fd):
                    raise LinkRefused(path, _LEAVES)
                target = self._link_target(directory, name, path)
                if target is None:
                    directory = self._replace(directory, os.open(name, _OPEN, dir_fd=directory.fd))
                    continue
                links += 1
                if links > _MAX_LINKS:
                    raise LinkRefused(path)
                directory.linked = True
                if target.startswith(b"/"):
                    if inside:
                        raise LinkRefused(path, _LEAVES)
                    directory = self._replace(directory, os.open(b"/", _OPEN))
                names += [part for part in reversed(target.split(b"/")) if part not in (b"", b".")]
        except BaseException:
            os.close(directory.fd)
            raise
        return directory

    def _link_target(self, directory: _Directory, name: bytes, path: bytes) -> bytes | None:
        status = os.stat(name, dir_fd=directory.fd, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return None
        if not directory.trusted or status.st_uid not in self._owners:
            raise LinkRefused(path)
        return os.readlink(name, dir_fd=directory.fd)

    def _replace(self, directory: _Directory, fd: int) -> _Directory:
        os.close(directory.fd)
        directory.fd = fd  # at once: the caller closes it if the next call fails
        return self._examine(fd, directory)

    def _examine(self, fd: int, before: _Directory | None) -> _Directory:
        status = os.fstat(fd)
        # In a sticky directory (/tmp) others can create names, but not change those of this user.
        closed = not status.st_mode & 0o022 or bool(status.st_mode & stat.S_ISVTX)
        trusted = status.st_uid in self._owners and closed
        if before is None:
            return _Directory(fd, trusted, False)
        return _Directory(fd, before.trusted and trusted, before.linked)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
