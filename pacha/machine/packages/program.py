"""Ask a program of a package manager: with a clean environment, and limits on its time and output."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from pacha.errors import cause
from pacha.system import executable
from pacha.text import one_line

PATH = executable.PATH
SECONDS = 60.0  #: the usual time limit of a question
_MOST = 64 << 20  #: bytes of output; 200,000 packages take less


class ProgramError(Exception):
    """A program failed. ``why`` has its name and the reason, safe to print; ``hangs``: it did not end in time."""

    def __init__(self, program: str, why: str, *, hangs: bool = False) -> None:
        super().__init__(f"{program}: {why}")
        self.why = f"{os.path.basename(program)}: {why}"
        self.hangs = hangs


def environment() -> Mapping[str, str]:
    """Return an environment with English messages, no settings of the user, no pager and no questions."""
    return {"PATH": PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/", "DEBIAN_FRONTEND": "noninteractive"}


def find(*names: str) -> str:
    """Return the path of the first of the programs ``names`` that is installed; "" for none."""
    return executable.find_program(*names, path=PATH)


def ask(argv: Sequence[str], seconds: float | None = None) -> str:
    """Return what ``argv`` prints on stdout within ``seconds`` (None: SECONDS). Raises ProgramError."""
    from pacha.system.limited_output import read_output  # the import takes milliseconds; most pushes ask nothing

    try:
        ended = read_output(argv, environment(), SECONDS if seconds is None else seconds, _MOST)
    except TimeoutError as error:
        raise ProgramError(argv[0], str(error), hangs=True) from None
    except OSError as error:
        raise ProgramError(argv[0], f"it cannot be started: {cause(error)}") from None
    if len(ended.stdout) > _MOST:  # it was killed for that, so check this before its status
        raise ProgramError(argv[0], "it says more than any machine has to tell")
    if ended.status:
        raise ProgramError(argv[0], one_line(ended.complaint) or f"exit code {ended.status}")
    return ended.stdout.decode("utf-8", "replace")
