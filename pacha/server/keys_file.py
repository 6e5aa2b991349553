"""An account's ~/.ssh/authorized_keys, read and replaced as that account itself, without following links.

Lines are bytes and keep their ends: what a change does not concern stays as it is, byte for byte.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pacha.errors import PachaError
from pacha.files.dirfd import READ
from pacha.system.atomic import replace_in
from pacha.system.syscalls import sync_file
from pacha.text import escape

_KEYS = "authorized_keys"
_KEYS_MAX = 16 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BY_HAND = "See to that file by hand (with add-host: leave out --install, and put the line where it belongs yourself)."


@contextmanager
def opened(home: bytes, *, make: bool = False) -> Iterator[int]:
    """The descriptor of ``home``/.ssh, made if need be with ``make``. Raises PachaError."""
    with _opened(home, None) as top:
        if make:
            try:
                os.mkdir(".ssh", 0o700, dir_fd=top)
            except FileExistsError:
                pass
        with _opened(b".ssh", top) as folder:
            _check_folder(folder, home)
            yield folder


@contextmanager
def _opened(path: bytes, above: int | None) -> Iterator[int]:
    flags = _FOLDER if above is None else _FOLDER | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, dir_fd=above)
    except OSError as error:
        raise PachaError(
            f"{escape(path)} cannot be opened.", error.strerror or "", _BY_HAND, code="account-home-closed"
        ) from None
    try:
        yield fd
    finally:
        os.close(fd)


def _check_folder(folder: int, home: bytes) -> None:
    """Make sure that the folder is the user's, and only theirs to write (StrictModes of sshd_config(5))."""
    status = os.fstat(folder)
    if status.st_uid != os.geteuid():
        raise PachaError(
            f"{escape(home)}/.ssh is another user's.",
            f"it belongs to user {status.st_uid}",
            _BY_HAND,
            code="ssh-folder-of-another-user",
        )
    if status.st_mode & 0o022:
        os.fchmod(folder, stat.S_IMODE(status.st_mode) & ~0o022)


def read(folder: int) -> list[bytes]:
    """The lines of authorized_keys with their ends, [] where there is none. Raises PachaError for a link."""
    try:
        fd = os.open(_KEYS, READ, dir_fd=folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PachaError(
            f"{_KEYS} cannot be read.", f"is it a link? ({error.strerror})", _BY_HAND, code="authorized-keys-unreadable"
        ) from None
    with open(fd, "rb") as stream:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise PachaError(f"{_KEYS} is not a file.", "", _BY_HAND, code="authorized-keys-not-a-file")
        text = stream.read(_KEYS_MAX + 1)
    if len(text) > _KEYS_MAX:
        raise PachaError(
            f"{_KEYS} is too long.", f"more than {_KEYS_MAX} bytes", _BY_HAND, code="authorized-keys-too-long"
        )
    return text.splitlines(keepends=True)


def append(lines: list[bytes], line: bytes) -> None:
    """Add ``line`` (without its end) after the last one."""
    if lines and not lines[-1].endswith((b"\n", b"\r")):
        lines[-1] += b"\n"
    lines.append(line + b"\n")


def write(folder: int, lines: Sequence[bytes]) -> None:
    """Write a temporary file and rename it, so that a login meanwhile sees the old file or the new one."""
    try:
        replace_in(folder, _KEYS, b"".join(lines))
        sync_file(folder)
    except OSError as error:
        raise PachaError(
            f"{_KEYS} cannot be written.", error.strerror or "", _BY_HAND, code="authorized-keys-unwritable"
        ) from None
