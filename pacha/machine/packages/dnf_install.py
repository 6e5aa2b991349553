"""Install the packages of a host with dnf.

dnf takes a name that ends with ``.rpm`` for a file. So it is asked first which names it knows, and gets only those,
each followed by an architecture.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pacha.machine.packages import dnf_sources, program, rpm
from pacha.machine.packages.installer import (
    BATCH,
    Chosen,
    FetchedPackages,
    Order,
    PackageInstaller,
    is_too_little,
    not_fetched,
    not_to_be_had,
)
from pacha.machine.packages.missing import Installed, architecture_of, installed
from pacha.machine.packages.package_list import ANY, ARCHITECTURE, Manager, Package, SourceFile
from pacha.machine.packages.program import ProgramError
from pacha.system.atomic import replace_file
from pacha.text import enumerated

#: For the programs that run meanwhile: systemctl(1) then enables units, but starts none.
VARIABLES: Mapping[str, str] = {"SYSTEMD_OFFLINE": "1"}
_SECONDS = 300.0  #: for dnf to find out what the sources have
_TRANSACTION = "transaction"
_FORMAT = "%{name} %{arch} %{epoch} %{version}-%{release}\n"
_FIELDS = 4
_SHOWN = 20  #: names in a reason
#: A silent mirror is given up, nobody is asked, and no plugin runs.
_SETTINGS = (
    "plugins=0", "keepcache=1", "install_weak_deps=0", "deltarpm=0", "exit_on_lock=1", "best=0",
    "*.retries=1", "*.timeout=30", "*.skip_if_unavailable=0",
)  # fmt: skip

_Offers = Mapping[tuple[str, str], Sequence[str]]  #: the available versions of (name, architecture)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dnf(PackageInstaller):
    """dnf, with what it reads and fetches in the folder."""

    def fetch(self, order: Order) -> FetchedPackages:
        options, ids = self._options(order)
        if not order.missing.wanted:
            return FetchedPackages(chosen=Chosen(), options=options)
        lost = self._update(options, ids)
        failures = tuple(f"{name}: {why}" for name, why in lost.items())
        options += tuple(f"--disablerepo={name}" for name in lost)
        has_lists = len(lost) < len(ids)
        chosen = _choose(options if has_lists else (), order)
        if failures and is_too_little(order, chosen, has_lists=has_lists):
            raise not_to_be_had(failures)
        if chosen.arguments:
            argv = [*_dnf(options), "--nogpgcheck", "--downloadonly", "--skip-broken", "install", *chosen.arguments]
            if broken := self.tried([argv], "fetching packages"):
                raise not_fetched(broken[0])
        return FetchedPackages(chosen=chosen, options=options, failures=failures)

    def install(self, order: Order, fetched: FetchedPackages) -> tuple[str, ...]:
        self.begin()
        offline = [*_dnf(fetched.options), "-C"]
        failures = self._reinstall(offline)
        if fetched.chosen.arguments:
            failures += self._transact([*offline, "--skip-broken", "install", *fetched.chosen.arguments])
        now = installed(Manager.DNF, self.root)
        left = sorted(
            package.name
            for package in order.missing.wanted
            if package.name not in fetched.chosen.not_to_be_had
            and not now.has(package, architecture_of(package, order.recorded, now))
        )
        if failures and len(left) == len(fetched.chosen.arguments) > 0:
            raise ProgramError("dnf", failures[-1].removeprefix("dnf: "))  # nothing was installed: restore no files
        failures += [f"dnf: not installed: {enumerated(left, _SHOWN)}"] if left else []
        return (*failures, *self.tried(_marks(fetched.options, order, now), "marking packages"))

    def of_manager(self, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
        return dnf_sources.of_dnf(files)

    def _options(self, order: Order) -> tuple[tuple[str, ...], list[str]]:
        """Return the options of each dnf command, which win over dnf.conf, and the ids of the repositories."""
        settings = (*_SETTINGS, f"cachedir={self.folder}/cache")
        options = tuple(f"--setopt={setting}" for setting in settings)
        if order.own_sources:
            return options, [repository.id for repository in dnf_sources.repositories(rpm.files(self.root))]
        tree = self.folder / "etc"
        shutil.rmtree(tree, ignore_errors=True)
        files = order.recorded.files
        ids = [repository.id for repository in dnf_sources.repositories(files)]
        return (*options, *dnf_sources.write_tree(files, tree, self.root)), ids

    def _update(self, options: Sequence[str], ids: Sequence[str]) -> dict[str, str]:
        """Fetch the lists of the repositories. Return, by the id of each that failed, why."""
        lists = [*_dnf(options), "--refresh"]
        if ids and not self.tried([[*lists, "makecache"]], "fetching the lists of packages"):
            return {}
        failed = {
            identifier: self.tried([[*lists, f"--repo={identifier}", "makecache"]], "fetching lists")
            for identifier in ids
        }
        return {identifier: why[0] for identifier, why in failed.items() if why}

    def _reinstall(self, offline: Sequence[str]) -> list[str]:
        """Install again what a killed transaction installed, because scripts may not have run. Return what failed."""
        try:
            since = int(os.stat(self.folder / _TRANSACTION).st_mtime)
        except OSError:
            return []
        names = [name for name in rpm.installed_since(self.root, since) if _is_plain(name)]
        return self._transact([*offline, "reinstall", *names]) if names else []

    def _transact(self, argv: Sequence[str]) -> list[str]:
        """Run ``argv``; a file remains if it is killed. Return what failed."""
        begun = self.folder / _TRANSACTION
        if not begun.exists():
            replace_file(begun, b"")
        failures = self.tried([argv], "installing packages")
        begun.unlink()
        return failures


def _dnf(options: Sequence[str]) -> list[str]:
    return ["dnf", "-y", *options]


def _choose(options: Sequence[str], order: Order) -> Chosen:
    """Return what can be installed; without ``options``, no source answers."""
    wanted = [(package, architecture_of(package, order.recorded, order.here)) for package in order.missing.wanted]
    offers = _offers(options, sorted({package.name for package, _ in wanted})) if options else {}
    arguments = {package: _argument(package, of, offers, pinned=order.exact or package.held) for package, of in wanted}
    had = {package: words for package, words in arguments.items() if words}
    return Chosen(
        arguments=tuple(word for word, _ in had.values()),
        not_to_be_had=tuple(sorted({package.name for package in arguments if package not in had})),
        other_versions=tuple(sorted(package.name for package, (_, is_other) in had.items() if is_other)),
    )


def _argument(package: Package, architecture: str, offers: _Offers, *, pinned: bool) -> tuple[str, bool] | None:
    """Return dnf's word for ``package``, and whether its version is not the wanted one; None if no source has it."""
    for of in (architecture, *ANY):
        if versions := offers.get((package.name, of)):
            is_exact = pinned and package.version in versions
            name = f"{package.name}-{package.version}.{of}" if is_exact else f"{package.name}.{of}"
            return name, pinned and not is_exact
    return None


def _offers(options: Sequence[str], names: Sequence[str]) -> _Offers:
    """Return what the sources have of ``names``. Raises ProgramError."""
    offers: dict[tuple[str, str], list[str]] = defaultdict(list)
    plain = [name for name in names if _is_plain(name)]
    for start in range(0, len(plain), BATCH):
        query = [*_dnf(options), "-q", "-C", "repoquery", "--available", "--qf", _FORMAT]
        words = program.ask([*query, *plain[start : start + BATCH]], _SECONDS).split()
        for name, of, epoch, version in zip(*(words[n::_FIELDS] for n in range(_FIELDS)), strict=False):
            if ARCHITECTURE.fullmatch(of) and of != "rpm":
                offers[name, of].append(version if epoch == "0" else f"{epoch}:{version}")
    return offers


def _is_plain(name: str) -> bool:
    """Whether dnf does not take ``name`` for a file."""
    return not name.endswith(".rpm")


def _marks(options: Sequence[str], order: Order, now: Installed) -> Iterator[list[str]]:
    """Yield the commands that mark the installed packages as recorded: asked for by somebody, or needed by others."""
    is_fifth = os.path.basename(os.path.realpath(program.find("dnf"))) == "dnf5"
    words = ("user", "dependency") if is_fifth else ("install", "remove")
    for word, is_manual in zip(words, (True, False), strict=True):
        group = [package for package in order.recorded.packages if package.manual is is_manual]
        names = [name for package in group if (name := _installed_name(package, order, now))]
        for start in range(0, len(names), BATCH):
            yield [*_dnf(options), "-C", "mark", word, *names[start : start + BATCH]]


def _installed_name(package: Package, order: Order, now: Installed) -> str:
    """Return the name of ``package`` with the architecture that is installed; "" for none."""
    architecture = architecture_of(package, order.recorded, now)
    names = [f"{package.name}.{of}" for of in (architecture, *ANY) if (package.name, of) in now.versions]
    return names[0] if names and _is_plain(names[0]) else ""
