"""The folder, outside every watched path, for files that a rebuild does not put back: a person can look at them."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from pacha.errors import PachaError
from pacha.fetch.spool import Spool
from pacha.text import escape


def folder(state: Path, host: str) -> bytes:
    """Where the files of ``host`` go. ``host`` is a valid name."""
    return os.fsencode(state / f"from-{host}")


def write(place: bytes, paths: Iterable[bytes], spool: Spool) -> None:
    """Write the files ``paths`` (recorded, absolute) below ``place``, for the owner of the state folder alone.

    Links are left out, as the report names their targets. Raises PachaError.
    """
    files = [path for path in paths if path in spool.places]
    try:
        if files:
            _make(place)
        for path in files:
            _write(place, path, spool)
    except OSError as error:
        raise PachaError(
            "No file was changed: what is not restored cannot be put aside.",
            f"{escape(place)}: {error.strerror}",
            "Make room there, or restore it all: --hardware same",
            code="aside-not-written",
        ) from None


def _write(place: bytes, path: bytes, spool: Spool) -> None:
    names = path.strip(b"/").split(b"/")
    for name in names[:-1]:
        place = os.path.join(place, name)
        _make(place)
    target = os.path.join(place, names[-1])
    _clear(target)
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as stream:
        stream.writelines(spool.content(path))


def _make(directory: bytes) -> None:
    """Make ``directory``, in the place of a file that an earlier rebuild left there."""
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(directory).st_mode):
            os.unlink(directory)
            os.mkdir(directory, 0o700)


def _clear(path: bytes) -> None:
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        pass
