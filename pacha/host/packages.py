"""The packages of this machine: the list of last time, or a new one if something changed since.

The file ``packages`` in the state folder has a fingerprint and the text's SHA-256 in its first line, and below it the
text that goes beside pacha.db. So a push for which nothing changed costs some calls of stat(2).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pacha.errors import Concern, PachaError
from pacha.machine.packages import package_list
from pacha.machine.packages.managers import PackageManager, manager_of
from pacha.machine.packages.program import ProgramError
from pacha.sealing.rules import SealRules
from pacha.store.state import StateFolder
from pacha.system.atomic import replace_file

SWITCH = "PACHA_PACKAGES"  #: the variable that keeps Pacha from looking at packages, with "no"
_FORMAT = "1 "  #: how the first line begins; after any other, the packages are listed again
_UNTOLD = "what packages there are cannot be told ({why}); {then}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The text of the packages, None where there is none, and the concern of a failure."""

    text: bytes | None = None
    concerns: tuple[Concern, ...] = ()


def tell(
    state: StateFolder,
    root: Path = Path("/"),
    *,
    remember: bool = True,
    sealed: Sequence[str] = (),
    roots: Iterable[bytes] = (),
) -> Told:
    """The packages of the system below ``root``. Never raises: what fails is a concern, and the last text stays.

    ``remember``: keep it in the state folder, whose lock the caller holds. ``sealed``: patterns of sealed files, which
    the text leaves out; they apply to the watched paths ``roots``.
    """
    roots = sorted(roots)
    manager = None if os.environ.get(SWITCH) == "no" else manager_of(root)
    if manager is None:
        return Told()
    fingerprint = manager.fingerprint(root)
    if sealed:
        words = [*map(os.fsencode, sealed), b"/", *roots]
        fingerprint += hashlib.sha256(b"\n".join(words)).hexdigest()
    remembered, text = _remembered(state)
    if text is not None and remembered == fingerprint:
        return Told(text=text)
    try:
        told = _told(manager, root, SealRules(sealed, [*roots, b"/"]))
    except (ProgramError, PachaError, ValueError) as error:
        return Told(text=text, concerns=(_concern(manager, error, text),))
    if remember:
        replace_file(_file(state), _head(fingerprint, told) + told)
    return Told(text=told)


def _told(manager: PackageManager, root: Path, rules: SealRules) -> bytes:
    """The text of the packages, after a check that its readers accept it."""
    packages = manager.capture(root)
    files = tuple(file for file in packages.files if not rules.matches(os.fsencode(file.path)))
    text = package_list.encode(replace(packages, files=files))
    package_list.decode(text)
    return text


def _remembered(state: StateFolder) -> tuple[str, bytes | None]:
    """The fingerprint and the text of last time; "" and None for the first, and for a file that is damaged."""
    try:
        head, _, text = _file(state).read_bytes().partition(b"\n")
    except OSError:
        return "", None
    fingerprint = head.decode("ascii", "replace").rpartition(" ")[0].removeprefix(_FORMAT)
    return (fingerprint, text) if _head(fingerprint, text) == head + b"\n" else ("", None)


def _head(fingerprint: str, text: bytes) -> bytes:
    return f"{_FORMAT}{fingerprint} {hashlib.sha256(text).hexdigest()}\n".encode("ascii", "replace")


def _concern(manager: PackageManager, error: Exception, text: bytes | None) -> Concern:
    why = error.why if isinstance(error, (ProgramError, PachaError)) else str(error)
    then = "none are recorded" if text is None else "the last list stays recorded"
    return Concern(os.fsencode(manager.DATABASE), _UNTOLD.format(why=why, then=then))


def _file(state: StateFolder) -> Path:
    return state.path / "packages"
