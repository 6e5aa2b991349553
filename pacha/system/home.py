"""The home folder as ssh(1) sees it: the one in the password database, not HOME.

Under sudo(8), HOME may be another user's, and root would obey that user's files.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping


def home_dir() -> str:
    """Return the home of the user who runs this; HOME counts only for a uid without an account."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return os.environ.get("HOME", "/")


def own_home(environ: Mapping[str, str]) -> str:
    """Return the folder for a user's own files: HOME, else the home in the password database."""
    return environ.get("HOME") or home_dir()


def ssh_dir() -> str:
    """Return the folder of ssh's own files: ``$PACHA_SSH``, else ``.ssh`` in the home."""
    return os.environ.get("PACHA_SSH") or os.path.join(home_dir(), ".ssh")


def expand_home(path: str) -> str:
    """Return ``path`` with ``~`` or ``~user`` at its start replaced, and ``~/.ssh`` by ``ssh_dir``."""
    path = home_dir() + path[1:] if path == "~" or path.startswith("~/") else os.path.expanduser(path)
    usual = os.path.join(home_dir(), ".ssh", "")
    return os.path.join(ssh_dir(), path.removeprefix(usual)) if path.startswith(usual) else path
