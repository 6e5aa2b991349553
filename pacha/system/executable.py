"""Find the programs of the system, and the command of this Pacha."""

from __future__ import annotations

import os
import sys

from pacha.errors import PachaError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  #: for what Pacha starts, whoever started Pacha


def find_program(*names: str, path: str = PATH) -> str:
    """Return the path of the first of the programs ``names`` that is in a folder of ``path``; "" if none is."""
    places = (os.path.join(folder, name) for name in names for folder in path.split(":"))
    return next((place for place in places if os.access(place, os.X_OK)), "")


def program() -> str:
    """Return the path of the running command; for ``python -m pacha``, of the command installed beside Python.

    Raises PachaError where there is none.
    """
    running = os.path.abspath(sys.argv[0])
    if os.path.basename(running) != "__main__.py":
        return running
    command = os.path.join(os.path.dirname(sys.executable), "pacha")
    if not os.access(command, os.X_OK):
        raise PachaError(
            "Pacha is not installed as a command.",
            f"there is no {command}",
            "Install it with pip.",
            code="not-installed",
        )
    return command
