"""Ask a program of a package manager: an argument list, a clean environment, an end in time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from pacha.errors import cause
from pacha.system import executable
from pacha.text import one_line

PATH = executable.PATH
SECONDS = 60.0  #: the time limit of a question, but for those of an installation
_MOST = 64 << 20  #: bytes of what it says; a machine with 200,000 packages says less


class ProgramError(Exception):
    """A program failed: ``why`` has its name and its own last line, safe to print; ``hangs``: it did not end."""

    def __init__(self, program: str, why: str, *, hangs: bool = False) -> None:
        super().__init__(f"{program}: {why}")
        self.why = f"{os.path.basename(program)}: {why}"
        self.hangs = hangs


def environment() -> Mapping[str, str]:
    """English words, no settings of whoever runs Pacha, no pager and no question."""
    return {"PATH": PATH, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/", "DEBIAN_FRONTEND": "noninteractive"}


def find(*names: str) -> str:
    """The path of the first of the programs ``names`` that is installed; "" for none."""
    return executable.find_program(*names, path=PATH)


def ask(argv: Sequence[str], seconds: float | None = None) -> str:
    """What ``argv`` says on stdout, within ``seconds`` (None: SECONDS). Raises ProgramError."""
    from pacha.system.limited_output import read_output  # it takes milliseconds, and most pushes ask nothing

    try:
        ended = read_output(argv, environment(), SECONDS if seconds is None else seconds, _MOST)
    except TimeoutError as error:
        raise ProgramError(argv[0], str(error), hangs=True) from None
    except OSError as error:
        raise ProgramError(argv[0], f"it cannot be started: {cause(error)}") from None
    if len(ended.stdout) > _MOST:  # which ended it, by one signal or another
        raise ProgramError(argv[0], "it says more than any machine has to tell")
    if ended.status:
        raise ProgramError(argv[0], one_line(ended.complaint) or f"exit code {ended.status}")
    return ended.stdout.decode("utf-8", "replace")
