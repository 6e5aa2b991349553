"""The staging directory: created where no other user can replace it, removed at the end."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.errors import PachaError
from pacha.host.context import Context

_NAME = re.compile(r"pacha-[a-z0-9_]{8,16}\Z")


def create(context: Context) -> Path:
    """Make a new folder, 0700, in ``$TMPDIR`` or /tmp, or in the state folder if others could rename it there.

    Removes the folder of a killed run first. Raises PachaError.
    """
    remove_leftovers(context)
    where = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    return make_in(context, where if _is_safe(where) else str(context.state.scratch))


def make_in(context: Context, where: str) -> Path:
    """Make a private folder in ``where``. It is remembered first, so that it is found again after a kill.

    Nothing is remembered where the state folder is read-only.
    """
    folder = Path(os.path.abspath(where), f"pacha-{secrets.token_hex(8)}")
    if not context.state.is_read_only:
        context.state.update(staging=str(folder))
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise _unusable(folder, error) from None
    return folder


@contextmanager
def with_room(folder: Callable[[], Path]) -> Iterator[None]:
    """Raise PachaError, which names the place of the staging ``folder`` by then, where the body finds a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _unusable(folder(), error) from None


def _unusable(folder: Path, error: OSError) -> PachaError:
    return PachaError(
        f"{folder.parent} cannot take what is fetched.",
        error.strerror or "",
        "Make room there, or set TMPDIR to another folder, and run it again. Nothing was changed.",
        code="no-staging-folder",
    )


def remove_leftovers(context: Context, made: str = "") -> None:
    """Remove the remembered staging folders that are ours, and the one that was ``made`` by this run.

    One that cannot be removed now stays remembered: it has all of the host's files, in the clear.
    """
    state = context.state.read()
    remembered = [made, state.staging, state.staging_before, *state.staging_left]
    folders = [folder for folder in dict.fromkeys(remembered) if _NAME.match(os.path.basename(folder))]
    for folder in filter(_is_ours, folders):
        shutil.rmtree(folder, ignore_errors=True)
    if any(remembered) and not context.state.is_read_only:
        context.state.update(staging="", staging_before="", staging_left=tuple(filter(_is_ours, folders)))


def _is_safe(folder: str) -> bool:
    """Whether only root and we can rename what we make there, as in a sticky folder (/tmp)."""
    path = Path(os.path.realpath(folder))
    try:
        statuses = [os.stat(status) for status in (path, *path.parents)]
    except OSError:
        return True  # missing: an error follows when it is used
    closed = (not status.st_mode & 0o022 or status.st_mode & stat.S_ISVTX for status in statuses)
    return all(closed) and all(status.st_uid in (0, os.geteuid()) for status in statuses)


def _is_ours(folder: str) -> bool:
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
