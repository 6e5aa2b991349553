"""What a rebuild does about packages, from names."""

from __future__ import annotations

from dataclasses import replace

from pacha.machine.packages.installer import Source
from pacha.machine.packages.missing import Missing
from pacha.machine.packages.package_list import Manager, Package, PackageList
from pacha.rebuild.options import PackagePolicy
from pacha.rebuild.packages import PlannedPackages

SOURCE = Source(uri="http://x\x1b.example.com", suites="s", path="/etc/apt/sources.list", unsigned=True)


def package(name: str, **more: bool) -> Package:
    return replace(Package(name=name, architecture="amd64", version="1"), **more)


def planned(*wanted: Package, policy: PackagePolicy = PackagePolicy.LIST, **more: object) -> PlannedPackages:
    """A plan in which ``wanted`` are missing."""
    missing = Missing(wanted=wanted, not_to_be_had=(package("own"),), of_hardware=(package("grub-pc"),), extra=("new",))
    recorded = PackageList(manager=Manager.APT, packages=wanted)
    keys = (("/usr/share/keyrings/k.gpg", "ab" * 32),)
    made = PlannedPackages(recorded=recorded, missing=missing, policy=policy, sources=(SOURCE,), keys=keys)
    return replace(made, **more)  # type: ignore[arg-type]
