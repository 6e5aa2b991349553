"""Install the packages of a host: all are fetched, then something is changed, then come the files, then the rest."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pacha.errors import Concern, PachaError
from pacha.machine.packages import alternatives, dpkg_local, installers
from pacha.machine.packages.installer import FetchedPackages, PackageInstaller
from pacha.machine.packages.managers import MANAGERS
from pacha.machine.packages.missing import installed
from pacha.machine.packages.program import ProgramError
from pacha.rebuild import homes
from pacha.rebuild.packages import SHOWN, PlannedPackages, concern, not_installable
from pacha.system.atomic import write_private
from pacha.text import enumerated, escape, masked

LOG = b"packages.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackages:
    """The result: the packages that were installed (name and version), and what a person should look at."""

    installed: tuple[tuple[str, str], ...] = ()
    sources: tuple[str, ...] = ()
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An installation whose packages are fetched; ``done``: the result so far."""

    planned: PlannedPackages
    installer: PackageInstaller
    fetched: FetchedPackages
    done: InstalledPackages = InstalledPackages()

    def installed(self, restored: Collection[bytes]) -> Installation:
        """Install, with the diversions before and the sources after, but for the paths that are ``restored``."""
        paths, order = {os.fsdecode(path) for path in restored}, self.planned.order
        try:
            left = self._divert(paths)
            failures = self.installer.install(order, self.fetched)
            made = () if order.own_sources else self.installer.add_sources(order.recorded.files, paths)
            now = installed(order.recorded.manager, self.installer.root).versions
        except ProgramError as error:
            raise _not_installed(error.why) from None
        new = tuple(sorted((key[0], now[key]) for key in now.keys() - order.here.versions.keys()))
        concerns = [*self._concerns(failures, left)]
        if gone := sorted({name for name, _ in order.here.versions.keys() - now.keys()}):
            concerns.append(concern(f"removed, as it does not go with the others: {enumerated(gone, SHOWN)}"))
        return replace(self, done=InstalledPackages(installed=new, sources=made, concerns=tuple(concerns)))

    def completed(self, folder: bytes) -> Installation:
        """Do what has to wait for the files: retry what failed without them, override owners, choose alternatives.

        The log goes to ``folder``.
        """
        root = self.installer.root
        failures = [*self.installer.configure_again(), *self._override(root)]
        choices, left = self._choices(root)
        failures += self.installer.tried(choices, "choosing alternatives")
        concerns = [concern(f"this failed: {why}") for why in failures]
        concerns += [concern(f"the alternative {name} is not chosen: {path} is not to be had") for name, path in left]
        concerns += [Concern(home, _homeless(name)) for home, name in homes.missing(root)]
        self._keep_log(folder)
        self.installer.finish()
        return replace(self, done=replace(self.done, concerns=(*self.done.concerns, *concerns)))

    def _override(self, root: Path) -> list[str]:
        """Give dpkg the owners and modes that it was told to use on the host. Returns what failed."""
        machines = self.planned.machines
        if machines is None:
            return []
        commands = dpkg_local.overrides(machines.recorded.statoverrides, machines.here.statoverrides, root)
        return self.installer.tried(commands, "setting owners and modes")

    def _choices(self, root: Path) -> tuple[list[list[str]], list[tuple[str, str]]]:
        recorded = self.planned.recorded
        return alternatives.commands(recorded.alternatives, root, MANAGERS[recorded.manager].ALTERNATIVES)

    def _divert(self, restored: Collection[str]) -> list[str]:
        machines = self.planned.machines
        if machines is None:
            return []
        recorded, here = machines.recorded.diversions, machines.here.diversions
        commands, left = dpkg_local.diversions(recorded, here, restored)
        return [*left, *self.installer.tried(commands, "diverting files")]

    def _concerns(self, failures: Sequence[str], diversions: Sequence[str]) -> Iterator[Concern]:
        chosen, absent = self.fetched.chosen, self.planned.missing.not_to_be_had
        yield from (concern(f"a source failed: {why}") for why in self.fetched.failures)
        if names := sorted({*chosen.not_to_be_had, *(package.name for package in absent)}):
            yield concern(f"not to be had: {enumerated(names, SHOWN)}")
        if chosen.other_versions:
            yield concern(f"in another version than recorded: {enumerated(chosen.other_versions, SHOWN)}")
        for name, here in chosen.conflicts:
            removed = enumerated(here, SHOWN)
            yield concern(f"{name} is not installed: {removed} of this machine would be removed for it")
        yield from (concern(f"this failed: {why}") for why in failures)
        yield from (concern(f"not diverted here: {masked(line, 300)}") for line in diversions)

    def _keep_log(self, folder: bytes) -> None:
        try:
            write_private(os.path.join(os.fsdecode(folder), os.fsdecode(LOG)), self.installer.commands.log.read_bytes())
        except OSError:
            return  # a full state folder takes nothing back


@contextmanager
def installing(planned: PlannedPackages | None) -> Iterator[Installation | None]:
    """Fetch everything that is to be installed; None for nothing. Raises PachaError before anything is changed."""
    if planned is None or not planned.installs:
        yield None
        return
    try:
        with installers.opened(planned.recorded.manager) as installer:
            if not planned.missing.wanted and not installer.was_interrupted:
                yield None
                return
            yield Installation(planned=planned, installer=installer, fetched=installer.fetch(planned.order))
    except ProgramError as error:
        raise not_installable(error.why) from None


def _homeless(name: bytes) -> str:
    """The concern about a missing home. It is not made: an empty one would hide that a disk or a backup is missing."""
    return f"the home of '{escape(name)}' is not there; an empty one: mkhomedir_helper {shlex.quote(escape(name))}"


def _not_installed(why: str) -> PachaError:
    return PachaError(
        "The packages of the host were not all installed; no file was restored.",
        why,
        "Run it again: it goes on where it ended.",
        code="packages-not-installed",
    )
