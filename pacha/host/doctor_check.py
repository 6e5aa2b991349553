"""What ``pacha doctor`` says of one thing: its result and the cure. With the checks that every machine needs."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

import pacha
from pacha.errors import ExitCode, PachaError

_LITTLE_ROOM = 256 << 20  #: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check: ``result`` and ``cure`` are lines (str), ``code`` is DONE where all is well.

    ``master``: where it was made, "" for this machine; ``error``: the code of its PachaError, "" for none.
    """

    about: str
    result: str
    cure: str = ""
    code: ExitCode = ExitCode.DONE
    master: str = ""
    error: str = ""


def look(about: str, result: str, cure: str) -> Check:
    """A check that found something to look at."""
    return Check(about=about, result=result, cure=cure, code=ExitCode.CONCERNS)


def failed(about: str, error: PachaError) -> Check:
    """The check that ``error`` ended."""
    hard = error.exit_code in (ExitCode.CONFIG, ExitCode.UNREACHABLE)
    code = error.exit_code if hard else ExitCode.CONCERNS
    return Check(about=about, result=error.in_a_line, cure=error.hint, code=code, error=error.code)


def exit_code(checks: list[Check]) -> ExitCode:
    """The exit code for ``checks``. One unreachable master of several is a concern."""
    codes = {check.code for check in checks if check.code}
    masters = {check.master for check in checks if check.master}
    lost = {check.master for check in checks if check.code == ExitCode.UNREACHABLE}
    if ExitCode.CONFIG in codes:
        return ExitCode.CONFIG
    if lost and lost == masters:
        return ExitCode.UNREACHABLE
    return ExitCode.CONCERNS if codes else ExitCode.DONE


def versions() -> Iterator[Check]:
    """The check of Pacha, and of what it needs beside it."""
    parts = [f"Pacha {pacha.__version__}", f"Python {platform.python_version()}"]
    for name in ("mercurial", "paramiko"):
        try:
            parts.append(f"{name.capitalize()} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield look("versions", f"{name} is not installed beside Pacha", "Install Pacha again with pip or pipx.")
    yield Check(about="versions", result=", ".join(parts))


def room(where: str, free: int, cure: str) -> Check:
    """The check of the ``free`` bytes ``where``."""
    size = f"{free / (1 << 30):.1f} GiB" if free >= 1 << 30 else f"{free >> 20} MiB"
    text = f"{size} free in {where}"
    return Check(about="space", result=text) if free >= _LITTLE_ROOM else look("space", text, cure)
