"""The staging directory: created where no other user can replace it, removed at the end."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from pathlib import Path

from pacha.errors import PachaError
from pacha.host.context import Context

_NAME = re.compile(r"pacha-[a-z0-9_]{8,16}\Z")


def create(context: Context) -> Path:
    """A new folder, 0700, in ``$TMPDIR`` or /tmp, or in the state folder where those are open to others.

    One that a killed run left behind is removed first. Raises PachaError.
    """
    remove_leftovers(context)
    where = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    return make_in(context, where if _is_safe(where) else str(context.state.path))


def make_in(context: Context, where: str) -> Path:
    """A new private folder in ``where``, remembered before it is made, so that a kill leaves none unknown."""
    folder = Path(os.path.abspath(where), f"pacha-{secrets.token_hex(8)}")
    context.state.update(staging=str(folder))
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise PachaError(
            f"{folder.parent} cannot take what is fetched.",
            error.strerror or "",
            "Set TMPDIR to another folder.",
            code="no-staging-folder",
        ) from None
    return folder


def remove_leftovers(context: Context) -> None:
    """Remove the staging folders that this machine remembers, if they are there and ours.

    One that the system does not let us remove now stays remembered: all that the host keeps lies in it, in the clear.
    """
    state = context.state.read()
    known = [state.staging, state.staging_before, *state.staging_left]
    folders = [folder for folder in known if _NAME.match(os.path.basename(folder))]
    for folder in filter(_is_ours, folders):
        shutil.rmtree(folder, ignore_errors=True)
    if any(known):
        context.state.update(staging="", staging_before="", staging_left=tuple(filter(_is_ours, folders)))


def _is_safe(folder: str) -> bool:
    """Whether nobody but root and us can rename what we make there: in a sticky folder (/tmp) others cannot."""
    path = Path(os.path.realpath(folder))
    try:
        found = [os.stat(one) for one in (path, *path.parents)]
    except OSError:
        return True  # it is not there, which is said when it is used
    closed = (not one.st_mode & 0o022 or one.st_mode & stat.S_ISVTX for one in found)
    return all(closed) and all(one.st_uid in (0, os.geteuid()) for one in found)


def _is_ours(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
