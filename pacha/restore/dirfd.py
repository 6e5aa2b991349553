"""Directories as descriptors: reach every path of a rebuild one component at a time, with O_NOFOLLOW.

At and below a watched path (a root) no symbolic link is followed. Above it, one is followed only if every component
before it belongs to root or the running user and nobody else can write there, so that no other local user can redirect
a rebuild. Below the root of another machine, a link that leads out of it is not followed: there it means another place.
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
_CAPACITY = 64  # open descriptors, or a quarter of the limit, which is usually 1024


class LinkRefused(OSError):
    """Another user could have created a symbolic link above a watched path."""

    def __init__(self, path: bytes, reason: str = "a symbolic link on the way could be another user's") -> None:
        super().__init__(errno.ELOOP, reason, path)


@dataclass(slots=True)
class _Directory:
    """An open directory. ``trusted``: only root and this user can write to it and to those above it."""

    fd: int
    trusted: bool
    linked: bool  #: a symbolic link was followed on the way


class SafeDirectories:
    """A context manager that opens directories by absolute path (bytes) and keeps some of them open."""

    def __init__(self, roots: Sequence[bytes], confined_to: bytes = b"") -> None:
        """Take the watched paths at and below which no link is followed, and the folder that none may lead out of."""
        self._roots = tuple(roots)
        self._confined_to = confined_to
        self._outermost: tuple[int, int] | None = None
        self._places: dict[bytes, _Directory] = {}
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

        It belongs to this object and closes when ``path`` leaves a small cache: use it before the next call. Raises
        OSError (NotADirectoryError for a link at or below a root).
        """
        place = self._places.pop(path, None)
        if place is None:
            place = self._descend(path)
        self._places[path] = place  # most recently used last
        return place.fd

    def hold(self, path: bytes) -> int:
        """Like ``enter``, but the caller owns the descriptor and closes it."""
        return os.dup(self.enter(path))

    def alias(self, path: bytes, name: bytes) -> None:
        """From now on reach ``path`` under its temporary ``name`` in its parent."""
        self._aliases[path] = name

    def aliases(self, folder: bytes) -> dict[bytes, bytes]:
        """The temporary names of ``folder`` and of those above it, by path."""
        return {path: self._aliases[path] for path in (folder, *paths.ancestors(folder)) if path in self._aliases}

    def in_place(self, path: bytes) -> None:
        """From now on reach ``path`` under its own name; open descriptors stay valid."""
        self._aliases.pop(path, None)

    def forget(self) -> None:
        """Close all descriptors."""
        for place in self._places.values():
            os.close(place.fd)
        self._places.clear()

    def _descend(self, path: bytes) -> _Directory:
        missing = []
        while path not in self._places and path != b"/":
            missing.append(path)
            path = paths.parent(path)
        if path not in self._places:
            self._keep(b"/", self._look(os.open(b"/", _OPEN), None))
        place = self._places[path]
        for step in reversed(missing):
            name = self._aliases.get(step) or step.rpartition(b"/")[2]
            if paths.is_within_any(step, self._roots):
                place = _Directory(os.open(name, _OPEN, dir_fd=place.fd), place.trusted, place.linked)
            else:
                place = self._step_above(place, name, step)
            self._keep(step, place)
        return self._places.pop(missing[0] if missing else path)

    def _keep(self, path: bytes, place: _Directory) -> None:
        while len(self._places) >= self._capacity:
            oldest = next(iter(self._places))
            os.close(self._places.pop(oldest).fd)
        self._places[path] = place
        if path == self._confined_to:
            self._outermost = _identity(place.fd)

    def _step_above(self, place: _Directory, name: bytes, path: bytes) -> _Directory:
        reached = self._walk(place, [name], path)
        if reached.linked and not reached.trusted:
            os.close(reached.fd)
            raise LinkRefused(path)
        return reached

    def _walk(self, start: _Directory, names: list[bytes], path: bytes) -> _Directory:
        """Go through ``names`` (last first) from ``start``, following trusted links."""
        place, links = _Directory(os.dup(start.fd), start.trusted, start.linked), 0
        inside = bool(self._confined_to) and paths.is_within(path, self._confined_to)
        try:
            while names:
                name = names.pop()
                if inside and name == b".." and self._outermost == _identity(place.fd):
                    raise LinkRefused(path, _LEAVES)
                target = self._link_target(place, name, path)
                if target is None:
                    place = self._replace(place, os.open(name, _OPEN, dir_fd=place.fd))
                    continue
                links += 1
                if links > _MAX_LINKS:
                    raise LinkRefused(path)
                place.linked = True
                if target.startswith(b"/"):
                    if inside:
                        raise LinkRefused(path, _LEAVES)
                    place = self._replace(place, os.open(b"/", _OPEN))
                names += [part for part in reversed(target.split(b"/")) if part not in (b"", b".")]
        except BaseException:
            os.close(place.fd)
            raise
        return place

    def _link_target(self, place: _Directory, name: bytes, path: bytes) -> bytes | None:
        status = os.stat(name, dir_fd=place.fd, follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode):
            return None
        if not place.trusted or status.st_uid not in self._owners:
            raise LinkRefused(path)
        return os.readlink(name, dir_fd=place.fd)

    def _replace(self, place: _Directory, fd: int) -> _Directory:
        os.close(place.fd)
        place.fd = fd  # at once: the caller closes it if the next call fails
        return self._look(fd, place)

    def _look(self, fd: int, before: _Directory | None) -> _Directory:
        status = os.fstat(fd)
        # In a sticky directory (/tmp) others can create names, but not change ours.
        closed = not status.st_mode & 0o022 or bool(status.st_mode & stat.S_ISVTX)
        trusted = status.st_uid in self._owners and closed
        if before is None:
            return _Directory(fd, trusted, False)
        return _Directory(fd, before.trusted and trusted, before.linked)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
