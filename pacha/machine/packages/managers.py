"""The package managers that Pacha knows. To add one, write a module with these functions, and name it below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from pacha.machine.packages import apt, rpm
from pacha.machine.packages.package_list import Manager, PackageList


class PackageManager(Protocol):
    """A module that reads the packages of the system whose files are below ``root``, and changes nothing."""

    DATABASE: str  #: its path, for people
    ALTERNATIVES: str  #: the folder with a file for each group of alternatives

    def detect(self, root: Path) -> bool:
        """Whether this manager has the packages of the system."""

    def fingerprint(self, root: Path) -> str:
        """Return a text that changes with what ``capture`` returns. It takes only a few calls of stat(2)."""

    def capture(self, root: Path) -> PackageList:
        """Return the packages, in a form that ``package_list.decode`` accepts. Raises ProgramError."""

    def installed(self, root: Path) -> tuple[str, Mapping[tuple[str, str], str]]:
        """Return the machine's own architecture, and the versions of all usable packages by (name, architecture).

        Raises ProgramError.
        """


MANAGERS: Mapping[Manager, PackageManager] = {Manager.APT: apt, Manager.DNF: rpm}


def manager_of(root: Path) -> PackageManager | None:
    """Return the package manager of the system below ``root``; None if it is unknown."""
    return next((manager for manager in MANAGERS.values() if manager.detect(root)), None)
