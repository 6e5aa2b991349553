"""Compare the packages that a host had with those that are installed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pacha.machine.packages import command_log
from pacha.machine.packages.hardware_packages import is_of_hardware
from pacha.machine.packages.package_list import ARCHITECTURE, NAME, Manager, Package, PackageList

_OF_DPKG = "${Package}\\t${Architecture}\\t${Version}\\t${db:Status-Status}\\n"
_OF_RPM = "%{NAME}\\t%{ARCH}\\t%{VERSION}-%{RELEASE}\\tinstalled\\n"
_ANY = ("all", "noarch")  #: the architectures of what runs on each
_PROGRAMS = {Manager.APT: ("apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query"), Manager.DNF: ("dnf", "rpm")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What is installed: version by (name, architecture), and the machine's own ``architecture``."""

    architecture: str
    versions: Mapping[tuple[str, str], str]

    def has(self, package: Package, architecture: str) -> bool:
        """Whether ``package`` is installed for ``architecture``, in any version."""
        return any((package.name, one) in self.versions for one in (architecture, *_ANY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The packages of a host that are not installed here.

    ``wanted`` can be asked for at the sources, ``not_to_be_had`` was in none of them, ``of_hardware`` are passed over.
    ``extra`` are the names of what is installed here and was not there.
    """

    wanted: tuple[Package, ...] = ()
    not_to_be_had: tuple[Package, ...] = ()
    of_hardware: tuple[Package, ...] = ()
    extra: tuple[str, ...] = ()


def is_managed(manager: Manager) -> bool:
    """Whether this machine has the programs of ``manager``."""
    return command_log.are_here(*_PROGRAMS[manager])


def installed(manager: Manager, root: Path = Path("/")) -> Installed:
    """What ``manager`` says of the system below ``root``. Raises ProgramError."""
    if manager is Manager.APT:
        query = ["dpkg-query", f"--admindir={root / 'var/lib/dpkg'}", "--show", f"--showformat={_OF_DPKG}"]
        own = ["dpkg", "--print-architecture"]
    else:
        query = ["rpm", f"--root={root}", "-qa", "--queryformat", _OF_RPM]
        own = ["rpm", "--eval", "%{_arch}"]
    rows = [line.split("\t") for line in command_log.output(query).decode("utf-8", "replace").splitlines()]
    found = [row for row in rows if len(row) == 4 and row[3] == "installed" and NAME.fullmatch(row[0])]
    architecture = command_log.output(own).decode("ascii", "replace").strip()
    return Installed(
        architecture=architecture if ARCHITECTURE.fullmatch(architecture) else "",
        versions={(name, of): version for name, of, version, _ in found},
    )


def architecture_of(package: Package, recorded: PackageList, here: Installed) -> str:
    """The architecture for which ``package`` is wanted here: this machine's own, or one that was foreign there."""
    return package.architecture if package.architecture in recorded.foreign_architectures else here.architecture


def compare(recorded: PackageList, here: Installed) -> Missing:
    """What is missing here of what was ``recorded``."""
    absent = [one for one in recorded.packages if not here.has(one, architecture_of(one, recorded, here))]
    mine = [one for one in absent if not is_of_hardware(one.name)]
    names = {one.name for one in recorded.packages}
    return Missing(
        wanted=tuple(one for one in mine if one.available),
        not_to_be_had=tuple(one for one in mine if not one.available),
        of_hardware=tuple(one for one in absent if is_of_hardware(one.name)),
        extra=tuple(sorted({name for name, _ in here.versions} - names)),
    )
