"""On a master: the folders of hosts."""

from __future__ import annotations

import os
import pwd

from pacha.actions.here import check_host
from pacha.errors import PachaError, UsageError
from pacha.files.names import shown


def add_host(hosts_path: bytes, host: str, user: str | None) -> bytes:
    """Make the folder of ``host`` below ``hosts_path``, 0700, ``user``'s if one is given; returns its path.

    A folder that is there already is given to ``user`` only if it is empty or that user's. Raises
    UsageError, PachaError.
    """
    check_host(host)
    owner = _account(user) if user is not None else None
    path = os.path.join(hosts_path, os.fsencode(host))
    try:
        os.makedirs(hosts_path, mode=0o755, exist_ok=True)
        if not os.path.lexists(path):
            os.mkdir(path, 0o700)
        _settle(path, owner)
    except OSError as error:
        raise PachaError(
            f"{shown(path)} cannot be made.", error.strerror or "", "Run this as root on the master."
        ) from None
    return path


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise UsageError(
            f"There is no account '{shown(os.fsencode(user))}' on this machine.",
            hint=f"Make it first: useradd --create-home {shown(os.fsencode(user))}",
        ) from None


def _settle(path: bytes, owner: pwd.struct_passwd | None) -> None:
    """Mode and owner through a descriptor: the folder is not swapped for a link on the way."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if owner is not None and found.st_uid != owner.pw_uid:
            if os.listdir(fd):
                raise PachaError(
                    f"{shown(path)} is in use by another account.",
                    f"it belongs to user {found.st_uid} and is not empty",
                    "If it is meant to change hands, chown it yourself.",
                )
            os.fchown(fd, owner.pw_uid, owner.pw_gid)
        if found.st_mode & 0o777 != 0o700:
            os.fchmod(fd, 0o700)
    finally:
        os.close(fd)
