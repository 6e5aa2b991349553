"""The package managers that install for a rebuild, and how each reads the sources of a host."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pacha.machine.packages import apt_sources, dnf_install, dnf_sources
from pacha.machine.packages.apt_install import Apt
from pacha.machine.packages.command_log import CommandLog
from pacha.machine.packages.dnf_install import Dnf
from pacha.machine.packages.installer import FOLDER, PackageInstaller, Source, lock
from pacha.machine.packages.package_list import Manager, SourceFile
from pacha.machine.packages.policy_rc import sweep


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallerKind:
    """How a manager installs. ``sources`` and ``keys`` find those in a host's files that the manager uses and trusts.

    ``variables`` are added to the environment of its programs.
    """

    installer: Callable[..., PackageInstaller]
    sources: Callable[[Sequence[SourceFile]], tuple[Source, ...]]
    keys: Callable[[Sequence[SourceFile]], tuple[SourceFile, ...]]
    variables: Mapping[str, str] = field(default_factory=dict)


KINDS: Mapping[Manager, InstallerKind] = {
    Manager.APT: InstallerKind(installer=Apt, sources=apt_sources.sources, keys=apt_sources.keys),
    Manager.DNF: InstallerKind(
        installer=Dnf, sources=dnf_sources.sources, keys=dnf_sources.keys, variables=dnf_install.VARIABLES
    ),
}


@contextmanager
def opened(manager: Manager, folder: Path = FOLDER, root: Path = Path("/")) -> Iterator[PackageInstaller]:
    """Yield the installer of ``manager``, and hold the lock of its ``folder``, which is created where it is missing.

    Raises LockedError where another installation is running, and PachaError where this one cannot begin.
    """
    for place in (folder.parent, folder):  # not private: apt fetches as _apt
        if not place.is_dir():
            place.mkdir()
            place.chmod(0o755)
    fd = lock(folder)
    try:
        sweep(root)
        kind = KINDS[manager]
        commands = CommandLog(log=folder / "log", inherited=(fd,), variables=kind.variables)
        installer = kind.installer(folder=folder, commands=commands, root=root)
        if obstacle := installer.obstacle():
            raise obstacle
        yield installer
    finally:
        os.close(fd)
