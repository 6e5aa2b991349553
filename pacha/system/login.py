"""Who runs this process, for what is written of it."""

from __future__ import annotations

import getpass
import os


def login_name() -> str:
    """The name of who called sudo, else of this account (its number, where it has no name). It is not checked."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
