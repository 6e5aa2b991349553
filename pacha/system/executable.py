"""The path by which other programs call this Pacha."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pacha.errors import PachaError

if TYPE_CHECKING:
    pass


def program() -> str:
    """Return the path of the running command; for ``python -m pacha``, that of the command installed beside Python.

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
