"""Compare the packages that a host had with those installed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pacha.machine.packages import program
from pacha.machine.packages.hardware_packages import is_of_hardware
from pacha.machine.packages.managers import MANAGERS
from pacha.machine.packages.package_list import ANY, Manager, Package, PackageList

_PROGRAMS = {Manager.APT: ("apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query"), Manager.DNF: ("dnf", "rpm")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What is installed: ``versions`` by (name, architecture), and the machine's own ``architecture``."""

    architecture: str
    versions: Mapping[tuple[str, str], str]

    def has(self, package: Package, architecture: str) -> bool:
        """Whether ``package`` is installed for ``architecture``, in any version."""
        return any((package.name, other) in self.versions for other in (architecture, *ANY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The packages of a host that are not installed here.

    ``wanted`` may be in the sources; ``not_to_be_had`` were in none when they were recorded; ``of_hardware`` are left
    out. ``extra`` are the names of packages that are installed here but were not on the host.
    """

    wanted: tuple[Package, ...] = ()
    not_to_be_had: tuple[Package, ...] = ()
    of_hardware: tuple[Package, ...] = ()
    extra: tuple[str, ...] = ()


def installed(manager: Manager, root: Path = Path("/")) -> Installed:
    """Return what ``manager`` has installed in the system below ``root``. Raises ProgramError."""
    architecture, versions = MANAGERS[manager].installed(root)
    return Installed(architecture=architecture, versions=versions)


def is_managed(manager: Manager) -> bool:
    """Whether this machine has the programs of ``manager``."""
    return all(map(program.find, _PROGRAMS[manager]))


def architecture_of(package: Package, recorded: PackageList, here: Installed) -> str:
    """Return the architecture of ``package`` here: the one recorded if that was foreign, else this machine's own."""
    return package.architecture if package.architecture in recorded.foreign_architectures else here.architecture


def compare(recorded: PackageList, here: Installed) -> Missing:
    """Return what is missing here of the ``recorded`` packages."""
    absent = [
        package for package in recorded.packages if not here.has(package, architecture_of(package, recorded, here))
    ]
    software = [package for package in absent if not is_of_hardware(package.name)]
    names = {package.name for package in recorded.packages}
    return Missing(
        wanted=tuple(package for package in software if package.available),
        not_to_be_had=tuple(package for package in software if not package.available),
        of_hardware=tuple(package for package in absent if is_of_hardware(package.name)),
        extra=tuple(sorted({name for name, _ in here.versions} - names)),
    )
