"""How a command is written for the shell of an account on the master, which may be any."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from pacha.errors import UsageError


def quote(word: str) -> str:
    r"""Quote ``word`` for sh(1) and for csh(1), which looks for ``!`` within quotes, too: only ``\`` takes it as it is.

    csh takes no line break within quotes; no path of a master has one.
    """
    return shlex.quote(word).replace("!", r"'\!'")


def command_line(argv: Sequence[bytes | str]) -> bytes:
    """A line in which each word is quoted. Raises UsageError."""
    words = [os.fsencode(word) for word in argv]
    if not words or any(b"\0" in word for word in words):
        raise UsageError(
            "Not a command that can be sent.",
            "it is empty or has a zero byte in it",
            "Look for one in the configuration.",
            code="invalid-command",
        )
    return b" ".join(os.fsencode(quote(os.fsdecode(word))) for word in words)
