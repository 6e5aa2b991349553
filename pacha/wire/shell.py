"""How a word is written for the shell of an account on the master, which may be any."""

from __future__ import annotations

import shlex


def quote(word: str) -> str:
    r"""Quote ``word`` for sh(1) and for csh(1), which looks for ``!`` within quotes, too: only ``\`` takes it as it is.

    csh takes no line break within quotes; no path of a master has one.
    """
    return shlex.quote(word).replace("!", r"'\!'")
