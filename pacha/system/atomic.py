"""Replace a file atomically, and write a private file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pacha.system.syscalls import sync_file


def replace_file(path: Path, data: bytes, *, mode: int = 0o600, overwrite: bool = True) -> None:
    """Write ``data`` to a temporary file beside ``path``, sync it, and rename it to ``path``.

    Raises OSError, which names ``path`` (FileExistsError for an existing file, without ``overwrite``). No temporary
    file is left then.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")  # cron and systemd ignore dotfiles
    try:
        _write_new(temporary, data, mode)
        if overwrite:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
            os.unlink(temporary)
    except OSError as error:
        error.filename = str(path)  # write(2) gives none, and the temporary name says nothing to a user
        with suppress(OSError):
            temporary.unlink()
        raise


def replace_in(folder: int, name: str, data: bytes, *, mode: int = 0o600, durable: bool = True) -> None:
    """Replace the file ``name`` in ``folder`` (a descriptor) in the same way. ``durable``: sync it before the rename.

    Raises OSError. No temporary file, whose name begins with a dot and ``name``, is left after any exception.
    """
    temporary = f".{name}.{os.urandom(4).hex()}"
    try:
        _write_new(temporary, data, mode, folder=folder, durable=durable)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def write_private(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path``, replacing its content. Follow no link, and do not sync. A new file has mode 0600.

    Raises OSError, which names ``path``.
    """
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as stream:
            stream.write(data)
    except OSError as error:
        error.filename = str(path)
        raise


def _write_new(path: str | Path, data: bytes, mode: int, *, folder: int | None = None, durable: bool = True) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, mode, dir_fd=folder), "wb") as stream:
        os.fchmod(stream.fileno(), mode)  # independent of the umask
        stream.write(data)
        stream.flush()
        if durable:
            sync_file(stream.fileno())
