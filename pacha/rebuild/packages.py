"""The packages of the host in a rebuild: which are missing here, and how they are installed, before the files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pacha.errors import Concern, PachaError
from pacha.fetch.staging import Fetched, Staging
from pacha.machine.packages import dpkg_local, installers, missing, package_list
from pacha.machine.packages.installer import FetchedPackages, Order, PackageInstaller
from pacha.machine.packages.managers import MANAGERS
from pacha.machine.packages.missing import Missing
from pacha.machine.packages.package_list import Installed, Manager, PackageList, SourceFile
from pacha.machine.packages.program import ProgramError
from pacha.machine.packages.source_files import Source
from pacha.rebuild import actual_state, homes
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import PackagePolicy, RebuildOptions
from pacha.rebuild.release import ReleaseChange
from pacha.store.companions import PACKAGES
from pacha.system.atomic import write_private
from pacha.text import enumerated, escape, masked, printable

LOG = b"packages.txt"
LOCALES = b"/etc/locale.gen"
_NAME = b"packages"
_SHOWN = 20  #: names in a concern
_NOTHING = Installed(architecture="", versions={})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPackages:
    """What a rebuild does about the packages of the host.

    ``refusal``: why none can be installed here, "" where they can; ``keys``: path and SHA-256 (hex) of those that will
    be trusted and are not the same here; ``machines``: what is recorded besides, for what was told to dpkg.
    """

    recorded: PackageList
    missing: Missing
    policy: PackagePolicy
    refusal: str = ""
    here: Installed = _NOTHING
    sources: tuple[Source, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    machines: Machines | None = None

    @property
    def installs(self) -> bool:
        """Whether packages will be installed."""
        return self.policy.installs and not self.refusal

    @property
    def asks(self) -> bool:
        """Whether there is something to ask about."""
        return bool(self.missing.wanted) and not self.refusal

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What a person who wants packages should look at before they are installed."""
        if not self.policy.installs:
            return ()
        names = [one.name for one in self.missing.not_to_be_had]
        absent = [_concern(f"not to be had: {enumerated(names, _SHOWN)}")] if names else []
        return (*([_concern(f"none is installed: {self.refusal}")] if self.refusal else []), *absent)

    @property
    def order(self) -> Order:
        """What is to be installed."""
        return Order(
            recorded=self.recorded, missing=self.missing, here=self.here,
            own_sources=self.policy is PackagePolicy.BY_NAME, exact=self.policy is PackagePolicy.EXACT,
        )  # fmt: skip


def plan(
    staging: Staging, fetched: Fetched, options: RebuildOptions, change: ReleaseChange | None, machines: Machines | None
) -> PlannedPackages | None:
    """What is to be done about packages; None for nothing.

    ``change``: the snapshot is of another release. Raises DamagedError.
    """
    text = fetched.companions.get(PACKAGES)
    policy = options.packages or PackagePolicy.LIST
    if text is None or policy is PackagePolicy.NONE or not actual_state.is_system(options.target):
        return None
    recorded = _with_locales(package_list.decode(text), staging)
    refusal, here = _refusal(recorded.manager, options), _NOTHING
    if missing.is_managed(recorded.manager):
        try:
            here = MANAGERS[recorded.manager].installed(Path(os.fsdecode(options.target or b"/")))
        except ProgramError as error:
            refusal = error.why
    if not refusal and policy is not PackagePolicy.BY_NAME and _is_other(change, machines):
        refusal = "the snapshot is of another release or distribution; --packages by-name takes what this one has"
    kind, files = installers.KINDS[recorded.manager], recorded.files
    return PlannedPackages(
        recorded=recorded, missing=missing.compare(recorded, here), policy=policy, refusal=refusal, here=here,
        sources=kind.sources(files), keys=_digests(kind.keys(files)), machines=machines,
    )  # fmt: skip


def check(planned: PlannedPackages | None) -> None:
    """Raise PachaError where packages are to be installed and that is not possible here."""
    if planned is not None and planned.policy.installs and planned.refusal:
        raise _not_installable(planned.refusal)


def chosen(
    planned: PlannedPackages | None, options: RebuildOptions, wants: Callable[[], bool]
) -> PlannedPackages | None:
    """``planned``, with what a person says (``wants``) where it was not said whether to install."""
    if planned is None or options.packages or not planned.asks or not wants():
        return planned
    return replace(planned, policy=PackagePolicy.INSTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPackages:
    """What came of it: the packages that were installed (name and version), and what a person should look at."""

    installed: tuple[tuple[str, str], ...] = ()
    sources: tuple[str, ...] = ()
    concerns: tuple[Concern, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An installation whose packages are fetched; ``done``: what came of it, so far."""

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
            now = MANAGERS[order.recorded.manager].installed(self.installer.root).versions
        except ProgramError as error:
            raise _not_installed(error.why) from None
        new = tuple(sorted((key[0], now[key]) for key in now.keys() - order.here.versions.keys()))
        concerns = [*self._concerns(failures, left)]
        if gone := sorted({name for name, _ in order.here.versions.keys() - now.keys()}):
            concerns.append(_concern(f"removed, as it does not go with the others: {enumerated(gone, _SHOWN)}"))
        return replace(self, done=InstalledPackages(installed=new, sources=made, concerns=tuple(concerns)))

    def completed(self, folder: bytes) -> Installation:
        """After the files: what dpkg was told of them, and what failed without them. The log goes to ``folder``."""
        failures, root = [*self.installer.configure_again()], self.installer.root
        machines = self.planned.machines
        if machines is not None:
            commands = dpkg_local.overrides(machines.recorded.statoverrides, machines.here.statoverrides, root)
            failures += self.installer.tried(commands, "setting owners and modes")
        concerns = [_concern(f"this failed: {why}") for why in failures]
        missing_homes = homes.missing(root)
        concerns += [Concern(home, f"the home of '{escape(name)}' is not there") for home, name in missing_homes]
        self._keep_log(folder)
        self.installer.finish()
        return replace(self, done=replace(self.done, concerns=(*self.done.concerns, *concerns)))

    def _divert(self, restored: Collection[str]) -> list[str]:
        machines = self.planned.machines
        if machines is None:
            return []
        recorded, here = machines.recorded.diversions, machines.here.diversions
        commands, left = dpkg_local.diversions(recorded, here, restored)
        return [*left, *self.installer.tried(commands, "diverting files")]

    def _concerns(self, failures: Sequence[str], diversions: Sequence[str]) -> Iterator[Concern]:
        chosen, absent = self.fetched.chosen, self.planned.missing.not_to_be_had
        yield from (_concern(f"a source failed: {why}") for why in self.fetched.failures)
        if names := sorted({*chosen.not_to_be_had, *(one.name for one in absent)}):
            yield _concern(f"not to be had: {enumerated(names, _SHOWN)}")
        if chosen.other_versions:
            yield _concern(f"in another version than recorded: {enumerated(chosen.other_versions, _SHOWN)}")
        for name, here in chosen.conflicts:
            yield _concern(
                f"{name} is not installed: {enumerated(here, _SHOWN)} of this machine would be removed for it"
            )
        yield from (_concern(f"this failed: {why}") for why in failures)
        yield from (_concern(f"not diverted here: {masked(line, 300)}") for line in diversions)

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
        raise _not_installable(error.why) from None


def commands(planned: PlannedPackages) -> list[str]:
    """The lines to paste that install what is missing, as root."""
    wanted = planned.missing.wanted
    names = sorted({one.name for one in wanted if one.manual} or {one.name for one in wanted})
    if not names:
        return []
    if planned.recorded.manager is Manager.DNF:
        return [f"dnf install {' '.join(names)}"]
    held = sorted(one.name for one in wanted if one.held)
    lines = ["apt-get update", f"apt-get install {' '.join(names)}"]
    return [*lines, f"apt-mark hold {' '.join(held)}"] if held else lines


def _with_locales(recorded: PackageList, staging: Staging) -> PackageList:
    """``recorded`` with the list of locales, which the package locales makes: it is among the files of /etc."""
    spool, path = staging.spool, os.fsdecode(LOCALES)
    if LOCALES not in spool.places or any(one.path == path for one in recorded.files):
        return recorded
    return replace(recorded, files=(*recorded.files, SourceFile(path=path, content=spool.bytes_of(LOCALES))))


def _refusal(manager: Manager, options: RebuildOptions) -> str:
    """Why nothing can be installed here, "" where it can."""
    if options.target:
        return "packages are installed into the running system alone, not below --target"
    if os.geteuid() != 0:
        return "only root can install packages"
    return "" if missing.is_managed(manager) else f"this machine has no {manager.value}"


def _is_other(change: ReleaseChange | None, machines: Machines | None) -> bool:
    """Whether the snapshot is of another release or distribution than this machine."""
    if change is not None:
        return True
    if machines is None:
        return False
    was, here = machines.recorded, machines.here
    return (was.distribution, was.version) != (here.distribution, here.version) and bool(was.distribution)


def _digests(files: Sequence[SourceFile]) -> tuple[tuple[str, str], ...]:
    """Path and SHA-256 (hex) of the keys that this machine does not have."""
    new = [one for one in files if actual_state.read(os.fsencode(one.path)) != one.content]
    return tuple((one.path, hashlib.sha256(one.content).hexdigest()) for one in new)


def _concern(reason: str) -> Concern:
    return Concern(_NAME, printable(reason))


def _not_installable(why: str) -> PachaError:
    return PachaError(
        "The packages of the host cannot be installed here; nothing was changed.",
        why,
        "--packages list shows them with the commands, and goes on.",
        code="packages-not-installable",
    )


def _not_installed(why: str) -> PachaError:
    return PachaError(
        "The packages of the host were not all installed; no file was restored.",
        why,
        "Run it again: it goes on where it ended.",
        code="packages-not-installed",
    )
