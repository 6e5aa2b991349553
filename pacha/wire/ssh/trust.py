"""Refuse ssh's files if another user could change them, as ssh(1) does (readconf.c, "Bad owner or permissions")."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from pathlib import Path

from pacha.errors import ConfigError
from pacha.text import printable


def read_trusted(path: str | Path) -> bytes:
    """The content of ``path``. Raises OSError, and ConfigError if anybody but root and this user could change it."""
    # without O_NONBLOCK it would wait for a FIFO
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        refuse_others(path, os.fstat(file.fileno()))
        return file.read()


def refuse_others(path: str | Path, status: os.stat_result) -> None:
    """Raise ConfigError if a user other than root and this one owns ``path`` or may write to it."""
    reason = _reason(status)
    if reason:
        name = printable(str(path))
        quoted = shlex.quote(name)
        raise ConfigError(
            f"{name}: not to be trusted.",
            f"{reason}; ssh does not obey such a file either",
            f"Run: chown $(id -u) {quoted} && chmod go-w {quoted}",
            code="ssh-file-not-trusted",
        )


def _reason(status: os.stat_result) -> str:
    if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
        return "it is not a file"
    if stat.S_ISCHR(status.st_mode):  # /dev/null, which everybody may write to
        return ""
    if status.st_uid not in (0, os.getuid()):
        return "it belongs to another user"
    if status.st_mode & stat.S_IWOTH:
        return "everybody may write to it"
    if status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid):
        return "its group may write to it"
    return ""


def _is_own_group(gid: int) -> bool:
    """Whether only this user is in the group, as Debian's ssh checks, too."""
    try:
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
