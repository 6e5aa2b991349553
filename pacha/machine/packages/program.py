"""Ask a program of a package manager: an argument list, a clean environment, an end in time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from pacha.errors import PachaError, cause
from pacha.system.executable import find_program
from pacha.text import one_line

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
#: English words, no settings of whoever runs Pacha, no pager and no question.
ENVIRONMENT: Mapping[str, str] = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/", "DEBIAN_FRONTEND": "noninteractive"}
SECONDS = 60.0  #: the time limit of one program
HANGS = "hangs"  #: the subject of the error where a program did not end
_MOST = 64 << 20  #: bytes of what it says; a machine with 200,000 packages says less


def find(*names: str) -> str | None:
    """The path of the first of the programs ``names`` that is installed; None for none."""
    return find_program(*names, path=_PATH) or None


def ask(argv: Sequence[str]) -> str:
    """What ``argv`` (the first is a path) says on stdout. Raises PachaError where it fails or does not end."""
    from pacha.system.limited_output import read_output  # it takes milliseconds, and most pushes ask nothing

    name = os.path.basename(argv[0])
    try:
        ended = read_output(argv, ENVIRONMENT, SECONDS, _MOST)
    except TimeoutError as error:
        raise untold(f"{name}: {error}", HANGS) from None
    except OSError as error:
        raise untold(f"{name}: {cause(error)}") from None
    if len(ended.stdout) > _MOST:  # which ended it, by one signal or another
        raise untold(f"{name} says more than any machine has to tell")
    if ended.status != 0:
        last = one_line(ended.complaint)
        raise untold(f"{name} failed ({ended.status}){': ' if last else ''}{last}")
    return ended.stdout.decode("utf-8", "replace")


def untold(why: str, subject: str = "") -> PachaError:
    """The error for packages that cannot be told."""
    return PachaError(
        "Which packages this machine has cannot be told.",
        why,
        "Look at its package manager.",
        code="packages-untold",
        subject=subject,
    )
