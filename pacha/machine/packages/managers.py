"""The package managers that are known. Another one is a module with these functions, and its name below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pacha.machine.packages import apt, rpm
from pacha.machine.packages.package_list import Manager, PackageList


class PackageManager(Protocol):
    """What a module says of the packages of the system whose files lie below ``root``. Nothing of it is changed."""

    DATABASE: str  #: its path, for people
    ALTERNATIVES: str  #: the folder that tells of alternatives

    def detect(self, root: Path) -> bool:
        """Whether it manages the packages."""

    def fingerprint(self, root: Path) -> str:
        """A word that is another one after any change of what ``capture`` tells; it costs a few calls of stat(2)."""

    def capture(self, root: Path) -> PackageList:
        """The packages, in a form that ``package_list.decode`` takes. Raises ProgramError."""

    def installed(self, root: Path) -> tuple[str, Mapping[tuple[str, str], str]]:
        """The machine's own architecture; of what is installed and ready, version by (name, architecture).

        Raises ProgramError.
        """


MANAGERS: Mapping[Manager, PackageManager] = {Manager.APT: apt, Manager.DNF: rpm}


def manager_of(root: Path) -> PackageManager | None:
    """The package manager of the system below ``root``; None for one that is not known."""
    return next((manager for manager in MANAGERS.values() if manager.detect(root)), None)
