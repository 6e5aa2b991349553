"""An account's ~/.ssh/authorized_keys, read and replaced as that account itself, without following links.

Lines are bytes and keep their ends: what a change does not concern stays as it is, byte for byte.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from pacha.errors import PachaError
from pacha.files.dirfd import READ
from pacha.system.atomic import replace_in
from pacha.system.syscalls import sync_file
from pacha.text import escape

_KEYS = "authorized_keys"
_KEYS_MAX = 16 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LEFT_OVER = re.compile(rf"\.{_KEYS}\.[0-9a-f]{{8}}")
_WAIT, _POLL = 10.0, 0.05  # seconds
_BY_HAND = "See to that file by hand (with add-host: leave out --install, and put the line where it belongs yourself)."


@contextmanager
def opened(home: bytes, *, make: bool = False) -> Iterator[int]:
    """The descriptor of ``home``/.ssh, made if need be with ``make``, for one process at a time. Raises PachaError."""
    with _opened(home, None) as top:
        if make:
            try:
                os.mkdir(".ssh", 0o700, dir_fd=top)
            except FileExistsError:
                pass
        with _opened(b".ssh", top) as folder:
            _check_folder(folder, home)
            _lock(folder, time.monotonic() + _WAIT)
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


def _lock(folder: int, deadline: float) -> None:
    """Wait while another Pacha changes the file: its change would be lost otherwise.

    Go on without the lock if the file system has none (NFS), and after a while: the account could hold the lock for
    ever, and its key must stay revocable.
    """
    while time.monotonic() < deadline:
        try:
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_POLL)
        except OSError:
            return None


def read(folder: int) -> list[bytes]:
    """The lines of authorized_keys with their ends, [] where there is none. Raises PachaError for a link.

    A line ends where sshd has it end: at a line feed.
    """
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
    _check_length(text)
    return io.BytesIO(text).readlines()


def _check_length(text: bytes) -> None:
    if len(text) > _KEYS_MAX:
        raise PachaError(
            f"{_KEYS} is too long.", f"more than {_KEYS_MAX} bytes", _BY_HAND, code="authorized-keys-too-long"
        )


def append(lines: list[bytes], line: bytes) -> None:
    """Add ``line`` (without its end) after the last one."""
    if lines and not lines[-1].endswith(b"\n"):
        lines[-1] += b"\n"
    lines.append(line + b"\n")


def write(folder: int, lines: Sequence[bytes]) -> None:
    """Write a temporary file and rename it, so that a login meanwhile sees the old file or the new one.

    What killed runs left is removed. Raises PachaError, also for more than ``read`` takes.
    """
    text = b"".join(lines)
    _check_length(text)
    try:
        for name in filter(_LEFT_OVER.fullmatch, os.listdir(folder)):
            with suppress(OSError):  # a directory that the account made: its key must stay revocable
                os.unlink(name, dir_fd=folder)
        replace_in(folder, _KEYS, text)
        sync_file(folder)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Make room there, then run this again." if is_full else _BY_HAND
        why = error.strerror or ""
        raise PachaError(f"{_KEYS} cannot be written.", why, hint, code="authorized-keys-unwritable") from None
