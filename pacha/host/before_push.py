"""The before-push programs of this machine: what is in ``before-push.d`` beside the configuration in force."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import Concern, cause
from pacha.system import programs
from pacha.system.trust import open_to, untrusted
from pacha.text import escape

CURE = "Make it and the folders above it root's alone, or its user's: chown root:root, chmod go-w"  #: for a refused one


@dataclass(frozen=True, slots=True)
class BeforePush:
    """The programs that a push runs, in their order; those (or the folder) that it refuses to run; what is no program.

    ``passed_over``: name and reason, safe to print.
    """

    programs: tuple[Path, ...] = ()
    refused: tuple[Concern, ...] = ()
    passed_over: tuple[str, ...] = ()


def find(folder: Path) -> BeforePush:
    """What a push would run of the files in ``folder``. Raises nothing: a folder that cannot be read is refused."""
    trusted = frozenset([0, os.geteuid()])
    try:
        if found := untrusted(folder, trusted):
            where, why = found
            return BeforePush(refused=(_refused(folder, why if where == folder else f"{escape(where)}: {why}"),))
        names = sorted(map(os.fsencode, os.listdir(folder)))
        return _sorted_out([(name, folder / os.fsdecode(name)) for name in names], trusted)
    except OSError as error:
        return BeforePush(refused=(_refused(folder, cause(error).lower()),))


def _sorted_out(files: list[tuple[bytes, Path]], trusted: frozenset[int]) -> BeforePush:
    run, refused, passed_over = [], [], []
    for name, path in files:
        status = os.lstat(path)
        if why := programs.passed_over(name, status.st_mode):
            passed_over.append(f"{escape(name)} ({why})")
        elif stat.S_ISLNK(status.st_mode):
            refused.append(_refused(path, "it is a link: copy the program instead"))
        elif not stat.S_ISREG(status.st_mode):
            refused.append(_refused(path, "it is not a file"))
        elif why := open_to(path, status, trusted):
            refused.append(_refused(path, why))
        else:
            run.append(path)
    return BeforePush(tuple(run), tuple(refused), tuple(passed_over))


def _refused(path: Path, why: str) -> Concern:
    return Concern(os.fsencode(path), f"not run before the push: {why}")
