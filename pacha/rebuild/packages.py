"""The packages of the host in a rebuild: which are missing here, and what is done about them before the files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pacha.errors import Concern, PachaError
from pacha.fetch.fetched import Fetched
from pacha.fetch.staging import Staging
from pacha.machine.packages import installers, missing, package_list
from pacha.machine.packages.installer import Order, Source
from pacha.machine.packages.missing import Installed, Missing
from pacha.machine.packages.package_list import Manager, PackageList, SourceFile
from pacha.machine.packages.program import ProgramError
from pacha.rebuild import actual_state
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import PackagePolicy, RebuildOptions
from pacha.store.companions import PACKAGES
from pacha.text import enumerated, printable

LOCALES = b"/etc/locale.gen"
_NAME = b"packages"
SHOWN = 20  #: names in a concern
_NOTHING = Installed(architecture="", versions={})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPackages:
    """What a rebuild does about the packages of the host.

    ``refusal``: why none can be installed here, "" where they can; ``keys``: path and SHA-256 (hex) of those that will
    be trusted and are not the same here; ``machines``: the facts, for what dpkg was told on the host.
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
        names = [package.name for package in self.missing.not_to_be_had]
        absent = [concern(f"not to be had: {enumerated(names, SHOWN)}")] if names else []
        return (*([concern(f"none is installed: {self.refusal}")] if self.refusal else []), *absent)

    @property
    def order(self) -> Order:
        """What is to be installed."""
        return Order(
            recorded=self.recorded, missing=self.missing, here=self.here,
            own_sources=self.policy is PackagePolicy.BY_NAME, exact=self.policy is PackagePolicy.EXACT,
        )  # fmt: skip


def plan(
    staging: Staging, fetched: Fetched, options: RebuildOptions, machines: Machines | None, *, other_release: bool
) -> PlannedPackages | None:
    """What is to be done about packages; None for nothing.

    ``other_release``: the snapshot is of another release or distribution. Raises DamagedError.
    """
    text = fetched.companions.get(PACKAGES)
    policy = options.packages or PackagePolicy.LIST
    if text is None or policy is PackagePolicy.NONE or not actual_state.is_system(options.target):
        return None
    recorded = _with_locales(package_list.decode(text), staging)
    refusal, here = _refusal(recorded.manager, options), _NOTHING
    if missing.is_managed(recorded.manager):
        try:
            here = missing.installed(recorded.manager, Path(os.fsdecode(options.target or b"/")))
        except ProgramError as error:
            refusal = error.why
    if not refusal and policy is not PackagePolicy.BY_NAME and other_release:
        refusal = "the snapshot is of another release or distribution; --packages by-name takes what this one has"
    kind, files = installers.KINDS[recorded.manager], recorded.files
    new_keys = [key for key in kind.keys(files) if actual_state.read(os.fsencode(key.path)) != key.content]
    return PlannedPackages(
        recorded=recorded, missing=missing.compare(recorded, here), policy=policy, refusal=refusal, here=here,
        sources=kind.sources(files), machines=machines,
        keys=tuple((key.path, hashlib.sha256(key.content).hexdigest()) for key in new_keys),
    )  # fmt: skip


def check(planned: PlannedPackages | None) -> None:
    """Raise PachaError where packages are to be installed and that is not possible here."""
    if planned is not None and planned.policy.installs and planned.refusal:
        raise not_installable(planned.refusal)


def chosen(
    planned: PlannedPackages | None, options: RebuildOptions, wants: Callable[[], bool]
) -> PlannedPackages | None:
    """``planned``; if no option says whether to install, a person decides (``wants``)."""
    if planned is None or options.packages or not planned.asks or not wants():
        return planned
    return replace(planned, policy=PackagePolicy.INSTALL)


def commands(planned: PlannedPackages) -> list[str]:
    """The lines to paste that install what is missing, as root."""
    wanted = planned.missing.wanted
    names = sorted({package.name for package in wanted if package.manual} or {package.name for package in wanted})
    if not names:
        return []
    if planned.recorded.manager is Manager.DNF:
        return [f"dnf install {' '.join(names)}"]
    held = sorted(package.name for package in wanted if package.held)
    lines = ["apt-get update", f"apt-get install {' '.join(names)}"]
    return [*lines, f"apt-mark hold {' '.join(held)}"] if held else lines


def _with_locales(recorded: PackageList, staging: Staging) -> PackageList:
    """``recorded`` with the list of locales, which the package locales makes: it is among the files of /etc."""
    spool, path = staging.spool, os.fsdecode(LOCALES)
    if LOCALES not in spool.places or any(file.path == path for file in recorded.files):
        return recorded
    return replace(recorded, files=(*recorded.files, SourceFile(path=path, content=spool.bytes_of(LOCALES))))


def _refusal(manager: Manager, options: RebuildOptions) -> str:
    """Why nothing can be installed here, "" where it can."""
    if options.target:
        return "packages are installed into the running system alone, not below --target"
    if os.geteuid() != 0:
        return "only root can install packages"
    return "" if missing.is_managed(manager) else f"this machine has no {manager.value}"


def concern(reason: str) -> Concern:
    """Something about packages that a person should look at."""
    return Concern(_NAME, printable(reason))


def not_installable(why: str) -> PachaError:
    """The error for packages that cannot be installed here."""
    return PachaError(
        "The packages of the host cannot be installed here; nothing was changed.",
        why,
        "--packages list shows them with the commands, and goes on.",
        code="packages-not-installable",
    )
