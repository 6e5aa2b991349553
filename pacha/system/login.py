"""Who runs this process, for records of what it does."""

from __future__ import annotations

import getpass
import os


def login_name() -> str:
    """Return the user who called sudo, else this account (its number where it has no name). Do not trust it."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
