"""Install the packages of a host with apt."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import PachaError
from pacha.machine.packages import apt, apt_sources, debconf_answers
from pacha.machine.packages.apt_choice import GET, INSTALL, choose
from pacha.machine.packages.installer import (
    BATCH,
    FetchedPackages,
    Order,
    PackageInstaller,
    is_too_little,
    not_fetched,
    not_to_be_had,
)
from pacha.machine.packages.missing import Installed, architecture_of, installed
from pacha.machine.packages.package_list import Manager, PackageList, SourceFile
from pacha.machine.packages.policy_rc import blocked_services
from pacha.system.atomic import replace_file
from pacha.text import enumerated

_LOCALES = "/etc/locale.gen"
_UNFINISHED = ("half-installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")
#: A silent mirror is given up; configuration files that exist are kept, and nobody is asked.
_SETTINGS = (
    "Acquire::http::Timeout=30", "Acquire::https::Timeout=30", "Acquire::ftp::Timeout=30",
    "Acquire::Retries=0",  # while it waits before another try, apt 2.6 may wait for ever
    "DPkg::Lock::Timeout=60", "Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold", "Dpkg::Use-Pty=0",
    "APT::Get::AutomaticRemove=false",
    "APT::Get::Remove=false",  # --no-remove: what is this machine's stays
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt(PackageInstaller):
    """apt, with what it reads and fetches in the folder."""

    def obstacle(self) -> PachaError | None:
        names = () if self.was_interrupted else unfinished(self.root)
        return _interrupted(names) if names else None

    def fetch(self, order: Order) -> FetchedPackages:
        if self.was_interrupted:  # until then, apt refuses everything
            self.configure_again()
        options = self._options(order)
        wanted = [(package, architecture_of(package, order.recorded, order.here)) for package in order.missing.wanted]
        failures = self._update(options) if wanted else ()
        chosen = choose(options, wanted, exact=order.exact)
        if failures and is_too_little(order, chosen, has_lists=self._has_lists):
            raise not_to_be_had(failures)
        if chosen.arguments:
            argv = [*GET, *options, "--download-only", *INSTALL, *chosen.arguments]
            if broken := self.tried([argv], "fetching packages", self._partial):
                raise not_fetched(broken[0])
        return FetchedPackages(chosen=chosen, options=options, failures=failures)

    def install(self, order: Order, fetched: FetchedPackages) -> tuple[str, ...]:
        self.begin()
        with blocked_services(self.folder / "lock", self.root):
            failures = self._prepare(order.recorded)
            if fetched.chosen.arguments:
                argv = [*GET, *fetched.options, "--no-download", *INSTALL, *fetched.chosen.arguments]
                failures += self.tried([argv], "installing packages")
            commands = _marks(fetched.options, order, installed(Manager.APT, self.root))
            return (*failures, *self.tried(commands, "marking packages"))

    @property
    def _has_lists(self) -> bool:
        return any(name.endswith(("Release", "_Packages")) for name in os.listdir(self.folder / "lists"))

    def configure_again(self) -> tuple[str, ...]:
        if not unfinished(self.root):
            return ()
        with blocked_services(self.folder / "lock", self.root):
            return tuple(self.tried([["dpkg", "--configure", "-a"]], "configuring packages"))

    def of_manager(self, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
        return apt_sources.of_apt(files)

    def mode_of(self, path: str) -> int:
        return apt_sources.mode_of(path)

    def _options(self, order: Order) -> tuple[str, ...]:
        """Return the options of each apt command, which win over apt.conf; write the host's sources."""
        names = {"State::lists": "lists/", "Cache::archives": "archives/"}
        names |= {"Cache::pkgcache": "pkgcache.bin", "Cache::srcpkgcache": "srcpkgcache.bin"}
        settings = [f"Dir::{key}={self.folder}/{name}" for key, name in names.items()]
        if foreign := order.recorded.foreign_architectures:
            settings += [f"APT::Architectures::={name}" for name in (order.here.architecture, *foreign)]
        words = [word for setting in (*_SETTINGS, *settings) for word in ("-o", setting)]
        return (*words, *(() if order.own_sources else self._sources(order.recorded.files)))

    def _sources(self, files: Sequence[SourceFile]) -> tuple[str, ...]:
        tree = self.folder / "etc"
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(mode=0o755)
        return apt_sources.write_tree(files, tree, self.root)

    def _update(self, options: Sequence[str]) -> tuple[str, ...]:
        """Fetch the lists; a source that fails does not prevent the others. Return what failed."""
        for folder in self._partial:
            folder.mkdir(parents=True, exist_ok=True)
        argv = [*GET, *options, "--error-on=any", "update"]
        return tuple(self.tried([argv], "fetching the lists of packages", self._partial))

    @property
    def _partial(self) -> tuple[Path, ...]:
        """The folders into which apt writes what it is fetching."""
        return tuple(self.folder / name / "partial" for name in ("lists", "archives"))

    def _prepare(self, recorded: PackageList) -> list[str]:
        """Add the architectures, and the answers to what packages ask when they are installed. Return what failed."""
        for file in recorded.files:
            place = self.root / file.path[1:]
            if file.path == debconf_answers.PLACE:
                debconf_answers.merge(file.content, place)
            if file.path == _LOCALES and not os.path.lexists(place):  # it exists where the package locales is installed
                replace_file(place, file.content, mode=0o644)
        names = recorded.foreign_architectures
        return self.tried([["dpkg", "--add-architecture", name] for name in names], "adding an architecture")


def unfinished(root: Path = Path("/")) -> tuple[str, ...]:
    """Return the packages that dpkg has not finished with; "dpkg" itself where its own records are incomplete."""
    names = tuple(name for name, _, _, _, state in apt.states(root) if state in _UNFINISHED)
    updates = root / "var/lib/dpkg/updates"
    return names or (("dpkg",) if updates.is_dir() and any(name.isdigit() for name in os.listdir(updates)) else ())


def _marks(options: Sequence[str], order: Order, now: Installed) -> Iterator[list[str]]:
    """Yield the commands that mark the installed packages as recorded: automatic, manual, held."""
    pairs = [(package, architecture_of(package, order.recorded, now)) for package in order.recorded.packages]
    names = [
        (package, f"{package.name}:{architecture}") for package, architecture in pairs if now.has(package, architecture)
    ]
    groups = {
        "auto": [name for package, name in names if not package.manual],
        "manual": [name for package, name in names if package.manual],
        "hold": [name for package, name in names if package.held],
    }
    for word, group in groups.items():
        for start in range(0, len(group), BATCH):
            yield ["apt-mark", *options, word, *group[start : start + BATCH]]


def _interrupted(names: Sequence[str]) -> PachaError:
    return PachaError(
        "An earlier work of dpkg was interrupted; nothing was changed.",
        f"not finished: {enumerated(names, 5)}",
        "End that with 'dpkg --configure -a', then run this again.",
        code="dpkg-interrupted",
    )
